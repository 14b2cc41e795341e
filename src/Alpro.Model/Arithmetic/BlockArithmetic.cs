using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model.Arithmetic;

/// <summary>What is added to the residual of a vision block.</summary>
internal enum Branch
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Attention over time, of the patches alone. Factors [B, M], before the last layer.</summary>
    Time,

    /// <summary>Attention over space; what the frames do to the class token is averaged. Factors [B, T].</summary>
    Space,

    /// <summary>The MLP. Factors [B].</summary>
    Mlp,
}

/// <summary>What the rows of a matrix [B * T * M, D] are: each frame's, frame after frame, clip after clip.</summary>
/// <param name="Clips">B.</param>
/// <param name="Frames">T.</param>
/// <param name="OfFrame">M.</param>
internal readonly record struct RowShape(long Clips, long Frames, long OfFrame)
{
    /// <summary>B * T * M.</summary>
    public long Count => Clips * Frames * OfFrame;
}

/// <summary>
/// The parts of a vision block between its matrix products. Sizes are B clips, T frames, D channels and M rows of a frame: a copy of the
/// class token, then the patches. In all there are Q = B * T frames and R = B * T * M rows.
/// </summary>
internal interface IBlockArithmetic
{
    /// <summary>The norm of a residual, for a matrix product.</summary>
    Tensor Norm(LayerNorm norm, Tensor x_RD, RowShape rows);

    /// <summary>
    /// Queries, keys and values [R, 3 D] to what each patch reads from its frames, [R, D]; rows of the class token mean nothing.
    /// </summary>
    Tensor TimeContext(Tensor qkv_RE, RowShape rows, int heads);

    /// <summary>Queries, keys and values [R, 3 D] to each, [Q, H, M, d].</summary>
    IReadOnlyList<Tensor> Split(Tensor qkv_RE, RowShape rows, int heads);

    /// <summary>Adds a branch to a residual.</summary>
    /// <param name="x_RD">The residual.</param>
    /// <param name="rows">What its rows are.</param>
    /// <param name="last">The last layer of the branch.</param>
    /// <param name="inner_RE">What it is given.</param>
    /// <param name="branch">Which branch it is.</param>
    /// <param name="factors">What the branches of sequences are multiplied by, one after another; null for 1.</param>
    /// <param name="next">The norm that follows, if one does.</param>
    /// <returns>The sum, and its norm.</returns>
    (Tensor Sum_RD, Tensor? Norm_RD) Add(
        Tensor x_RD, RowShape rows, Linear last, Tensor inner_RE, Branch branch, Tensor? factors, LayerNorm? next);
}

/// <summary>Block arithmetic by libtorch's operations, on any device.</summary>
internal sealed class TorchArithmetic : IBlockArithmetic
{
    public static TorchArithmetic Instance { get; } = new();

    /// <inheritdoc/>
    public Tensor Norm(LayerNorm norm, Tensor x_RD, RowShape rows) => norm.call(x_RD);

    /// <inheritdoc/>
    public Tensor TimeContext(Tensor qkv_RE, RowShape rows, int heads)
    {
        using var scope = NewDisposeScope();
        Tensor qkv_BTM3Hd = qkv_RE.view(rows.Clips, rows.Frames, rows.OfFrame, 3, heads, -1);
        Tensor[] qkv_QHTd = qkv_BTM3Hd.permute(3, 0, 2, 4, 1, 5).flatten(1, 2).unbind(0);
        Tensor context_QHTd = functional.scaled_dot_product_attention(qkv_QHTd[0], qkv_QHTd[1], qkv_QHTd[2]);
        Tensor context_BTMHd = context_QHTd.unflatten(0, rows.Clips, rows.OfFrame).permute(0, 3, 1, 2, 4);
        return context_BTMHd.reshape(rows.Count, -1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Split(Tensor qkv_RE, RowShape rows, int heads) => Split(qkv_RE, rows, 3, heads);

    /// <summary>Some projections [R, count * D] to each, [Q, H, M, d].</summary>
    public static Tensor[] Split(Tensor projected_RE, RowShape rows, long count, int heads) =>
        projected_RE.view(rows.Clips * rows.Frames, rows.OfFrame, count, heads, -1).permute(2, 0, 3, 1, 4).unbind(0);

    /// <inheritdoc/>
    public (Tensor Sum_RD, Tensor? Norm_RD) Add(
        Tensor x_RD, RowShape rows, Linear last, Tensor inner_RE, Branch branch, Tensor? factors, LayerNorm? next)
    {
        using var scope = NewDisposeScope();
        (long clips, long frames, long each) = rows;
        Tensor sum_RD = branch switch
        {
            Branch.Time => Time(),
            Branch.Space => Space(),
            _ => x_RD.Plus(factors is null ? last.Apply(inner_RE) : Scaled(Grid(last.Apply(inner_RE)), clips, 1, 1).flatten(0, 2)),
        };
        Tensor? norm_RD = next?.call(sum_RD);
        return (sum_RD.MoveToOuterDisposeScope(), norm_RD?.MoveToOuterDisposeScope());

        Tensor Time()
        {
            Tensor x_BTMD = Grid(x_RD), inner_NE = Patches(Scaled(Grid(inner_RE), clips, 1, each)).flatten(0, 2);
            Tensor branch_BTND = last.Apply(inner_NE).view(clips, frames, each - 1, -1);
            return cat([Class(x_BTMD), Patches(x_BTMD).Plus(branch_BTND)], 2).flatten(0, 2);
        }

        Tensor Space()
        {
            Tensor x_BTMD = Grid(x_RD), branch_BTMD = Scaled(Grid(last.Apply(inner_RE)), clips, frames, 1);
            Tensor class_BT1D = Class(x_BTMD).Plus(Class(branch_BTMD).mean([1], keepdim: true));
            return (each == 1 ? class_BT1D : cat([class_BT1D, Patches(x_BTMD).Plus(Patches(branch_BTMD))], 2)).flatten(0, 2);
        }

        Tensor Grid(Tensor rows_RD) => rows_RD.view(clips, frames, each, -1);

        Tensor Class(Tensor rows_BTMD) => rows_BTMD.narrow(2, 0, 1);

        Tensor Patches(Tensor rows_BTMD) => rows_BTMD.narrow(2, 1, each - 1);

        Tensor Scaled(Tensor rows_BTMD, params long[] shape) => factors is null ? rows_BTMD : rows_BTMD.mul(factors.view([.. shape, 1]));
    }
}
