using TorchSharp;
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

/// <summary>
/// The parts of a vision block between its matrix products. B clips, T frames, M rows of a frame (a copy of the class token, then the patches),
/// D channels.
/// </summary>
internal interface IBlockArithmetic
{
    /// <summary>The norm of a residual, for a matrix product.</summary>
    Tensor Norm(LayerNorm norm, Tensor x_BTMD);

    /// <summary>Queries, keys and values [B, T, M, 3 D] to what each patch reads from its frames; rows of the class token mean nothing.</summary>
    Tensor TimeContext(Tensor qkv_BTME, int heads);

    /// <summary>Queries, keys and values [Q, M, 3 D] to each, [Q, H, M, d].</summary>
    IReadOnlyList<Tensor> Split(Tensor qkv_QME, int heads);

    /// <summary>Adds a branch to a residual.</summary>
    /// <param name="x_BTMD">The residual.</param>
    /// <param name="last">The last layer of the branch.</param>
    /// <param name="inner_BTME">What it is given.</param>
    /// <param name="branch">Which branch it is.</param>
    /// <param name="factors">What the branches of sequences are multiplied by; null for 1.</param>
    /// <param name="next">The norm that follows, if one does.</param>
    /// <returns>The sum, and its norm.</returns>
    (Tensor Sum_BTMD, Tensor? Norm_BTMD) Add(Tensor x_BTMD, Linear last, Tensor inner_BTME, Branch branch, Tensor? factors, LayerNorm? next);
}

/// <summary>Block arithmetic by libtorch's operations, on any device.</summary>
internal sealed class TorchArithmetic : IBlockArithmetic
{
    /// <summary>The one instance.</summary>
    public static TorchArithmetic Instance { get; } = new();

    /// <inheritdoc/>
    public Tensor Norm(LayerNorm norm, Tensor x_BTMD) => norm.call(x_BTMD);

    /// <inheritdoc/>
    public Tensor TimeContext(Tensor qkv_BTME, int heads)
    {
        using var scope = NewDisposeScope();
        long clips = qkv_BTME.shape[0], patches = qkv_BTME.shape[2] - 1;
        Tensor[] qkv_QHTd = qkv_BTME.narrow(2, 1, patches).unflatten(3, 3, heads, -1).permute(3, 0, 2, 4, 1, 5).flatten(1, 2).unbind(0);
        Tensor context_QHTd = functional.scaled_dot_product_attention(qkv_QHTd[0], qkv_QHTd[1], qkv_QHTd[2]);
        Tensor context_BTND = context_QHTd.unflatten(0, clips, patches).permute(0, 3, 1, 2, 4).flatten(3);
        return functional.pad(context_BTND, [0, 0, 1, 0]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Split(Tensor qkv_QME, int heads) => Split(qkv_QME, 3, heads);

    /// <summary>Some projections [Q, M, count * D] to each, [Q, H, M, d].</summary>
    public static Tensor[] Split(Tensor projected_QME, long count, int heads) => projected_QME.unflatten(2, count, heads, -1).permute(2, 0, 3, 1, 4).unbind(0);

    /// <inheritdoc/>
    public (Tensor Sum_BTMD, Tensor? Norm_BTMD) Add(Tensor x_BTMD, Linear last, Tensor inner_BTME, Branch branch, Tensor? factors, LayerNorm? next)
    {
        using var scope = NewDisposeScope();
        long patches = x_BTMD.shape[2] - 1;
        Tensor sum_BTMD = branch switch
        {
            Branch.Time => cat([x_BTMD.narrow(2, 0, 1), Patches(x_BTMD).Plus(last.Apply(Patches(Scaled(inner_BTME, factors?.unsqueeze(1).unsqueeze(3)))))], 2),
            Branch.Space => Space(Scaled(last.Apply(inner_BTME), factors?.unsqueeze(2).unsqueeze(3))),
            _ => x_BTMD.Plus(Scaled(last.Apply(inner_BTME), factors?.view(-1, 1, 1, 1))),
        };
        Tensor? norm_BTMD = next?.call(sum_BTMD);
        return (sum_BTMD.MoveToOuterDisposeScope(), norm_BTMD?.MoveToOuterDisposeScope());

        Tensor Patches(Tensor rows_BTMD) => rows_BTMD.narrow(2, 1, patches);

        Tensor Space(Tensor branch_BTMD)
        {
            Tensor class_BT1D = x_BTMD.narrow(2, 0, 1).Plus(branch_BTMD.narrow(2, 0, 1).mean([1], keepdim: true));
            return patches == 0 ? class_BT1D : cat([class_BT1D, Patches(x_BTMD).Plus(Patches(branch_BTMD))], 2);
        }
    }

    private static Tensor Scaled(Tensor branch, Tensor? factors) => factors is null ? branch : branch.mul(factors);
}
