using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// Embeddings that a model of another frame count or resolution takes over by nearest interpolation (the released code's loading).
/// Interpolation of <c>time_embed [1, T, D]</c> is over its frames. That of <c>pos_embed [1, 1 + N, D]</c> is over its patches, and keeps
/// the class token's row.
/// </summary>
internal static class PositionEmbeddings
{
    /// <summary>Whether a tensor of this name and shape can be resized to another shape.</summary>
    public static bool CanResize(string key, ReadOnlySpan<long> shape, ReadOnlySpan<long> wanted) =>
        (IsTime(key) || IsPosition(key)) && shape is [1, > 1, var width] && wanted is [1, > 1, var wantedWidth] && width == wantedWidth;

    /// <summary>Resizes embeddings to a number of rows.</summary>
    /// <param name="key">The tensor's name, which tells whether its first row is the class token's.</param>
    /// <param name="embeddings_1RD">The embeddings.</param>
    /// <param name="rows">How many rows are wanted, the class token's included.</param>
    public static Tensor Resize(string key, Tensor embeddings_1RD, long rows)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        long kept = IsPosition(key) ? 1 : 0;
        Tensor others_1DR = embeddings_1RD.narrow(1, kept, embeddings_1RD.shape[1] - kept).transpose(1, 2);
        Tensor resized_1RD = nn.functional.interpolate(others_1DR, [rows - kept], mode: InterpolationMode.Nearest).transpose(1, 2);
        return cat([embeddings_1RD.narrow(1, 0, kept), resized_1RD], 1).MoveToOuterDisposeScope();
    }

    private static bool IsTime(string key) => key.EndsWith("visual_encoder.model.time_embed", StringComparison.Ordinal);

    private static bool IsPosition(string key) => key.EndsWith("visual_encoder.model.pos_embed", StringComparison.Ordinal);
}
