using Alpro.Model.Arithmetic;
using Alpro.Model.Arithmetic.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

// B clips, T frames, N patches of a frame, D width, d width of a head. Inside, tokens are rows of their frame, M = 1 + N: a copy of the
// class token, then the patches. The class token is the same in all frames of a clip. So attention over space needs no copy. Names of
// module fields are checkpoint keys.

/// <summary>The vision encoder of a model, <c>visual_encoder.*</c>: TimeSformer, its patch tokens averaged over time.</summary>
public sealed class VisionEncoder : Module
{
    /// <summary>The transformer.</summary>
    public readonly TimeSformer model;

    /// <summary>Builds the encoder with fresh weights.</summary>
    public VisionEncoder(VisionConfig config, bool freezeCheckpointed = false) : base(nameof(VisionEncoder))
    {
        model = new TimeSformer(config, freezeCheckpointed);
        RegisterComponents();
    }

    /// <summary>Frames [B, T, 3, H, W] to tokens [B, 1 + N, D], whatever T is.</summary>
    public Tensor Forward(Tensor video_BTCHW)
    {
        using var scope = NewDisposeScope();
        Tensor rows_BTMD = model.Rows(video_BTCHW);
        Tensor patches_BND = rows_BTMD.narrow(2, 1, rows_BTMD.shape[2] - 1).mean([1]);
        return cat([rows_BTMD.select(1, 0).narrow(1, 0, 1), patches_BND], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Frames [B, T, 3, H, W] to the class token alone, [B, 1, D]: the last block computes nothing else.</summary>
    public Tensor ForwardClass(Tensor video_BTCHW)
    {
        using var scope = NewDisposeScope();
        return model.Rows(video_BTCHW, classOnly: true).select(1, 0).MoveToOuterDisposeScope();
    }
}

/// <summary>TimeSformer with divided space-time attention (paper section 3.1; Bertasius et al. 2021).</summary>
public sealed class TimeSformer : Module
{
    private const double LayerNormEps = 1e-6;
    private const int UnusedClasses = 400;

    private readonly VisionConfig config;

    /// <summary>Class token [1, 1, D].</summary>
    public readonly Parameter cls_token;

    /// <summary>Position embeddings [1, 1 + N, D].</summary>
    public readonly Parameter pos_embed;

    /// <summary>Time embeddings [1, T, D].</summary>
    public readonly Parameter time_embed;

    /// <summary>Frames to patch vectors.</summary>
    public readonly PatchEmbedding patch_embed;

    /// <summary>The transformer blocks.</summary>
    public readonly ModuleList<SpaceTimeBlock> blocks;

    /// <summary>The last norm.</summary>
    public readonly LayerNorm norm;

    /// <summary>In every checkpoint, and unused: Kinetics' classifier.</summary>
    public readonly Linear head;

    /// <summary>Runs our own kernels; null for a GPU's launcher on a GPU, and none elsewhere.</summary>
    internal KernelLauncher? Launcher { get; set; }

    /// <summary>Whether our own kernels are used where they can be.</summary>
    internal bool UsesKernels { get; set; } = true;

    /// <summary>Builds the encoder with fresh weights.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="freezeCheckpointed">With activation checkpointing, leave what it recomputes untrained
    /// (<see cref="ReferenceSwitches.FreezeCheckpointed"/>).</param>
    public TimeSformer(VisionConfig config, bool freezeCheckpointed) : base(nameof(TimeSformer))
    {
        this.config = config;
        int side = config.ImageSize / config.PatchSize;
        cls_token = new Parameter(zeros(1, 1, config.Width));
        pos_embed = new Parameter(zeros(1, 1 + side * side, config.Width));
        time_embed = new Parameter(zeros(1, config.Frames, config.Width));
        patch_embed = new PatchEmbedding(config);
        blocks = new ModuleList<SpaceTimeBlock>(Enumerable.Range(0,
            config.Depth).Select(_ => new SpaceTimeBlock(config, LayerNormEps)).ToArray());
        norm = LayerNorm(config.Width, LayerNormEps);
        head = Linear(config.Width, UnusedClasses);
        RegisterComponents();

        Initialization.TruncatedNormal(pos_embed, config.InitializerRange);
        Initialization.TruncatedNormal(cls_token, config.InitializerRange);
        Initialization.VisionWeights(this, config.InitializerRange);
        foreach (SpaceTimeBlock block in blocks.Skip(1)) block.SilenceTime();
        if (config.ActivationCheckpointing && freezeCheckpointed)
            foreach (SpaceTimeBlock block in blocks) block.FreezeCheckpointed();
    }

    /// <summary>
    /// Frames [B, T, 3, H, W] to all tokens [B, 1 + N * T, D]. They are the class token, then the patches, patch-major, frame-minor (index
    /// 1 + n * T + t). Embeddings are resized (nearest) where T or N are not the stored ones.
    /// </summary>
    public Tensor Forward(Tensor video_BTCHW)
    {
        using var scope = NewDisposeScope();
        Tensor rows_BTMD = Rows(video_BTCHW);
        Tensor patches_BSD = rows_BTMD.narrow(2, 1, rows_BTMD.shape[2] - 1).transpose(1, 2).flatten(1, 2);
        return cat([rows_BTMD.select(1, 0).narrow(1, 0, 1), patches_BSD], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Frames [B, T, 3, H, W] to rows [B, T, M, D], or to the class token's alone, [B, T, 1, D].</summary>
    internal Tensor Rows(Tensor video_BTCHW, bool classOnly = false)
    {
        using var scope = NewDisposeScope();
        long[] sizes = video_BTCHW.shape;
        long rows = sizes[3] / config.PatchSize, columns = sizes[4] / config.PatchSize, patches = rows * columns;
        var shape = new RowShape(sizes[0], sizes[1], 1 + patches);
        (long clips, long frames, _) = shape;
        Tensor position_1MD = Positions(rows, columns);
        Tensor patches_BTND = patch_embed.Forward(video_BTCHW.flatten(0, 1)).unflatten(0, clips, frames);
        patches_BTND = patches_BTND.Plus(position_1MD.narrow(1, 1, patches).Plus(Times(frames).transpose(0, 1)));
        Tensor class_B1D = cls_token.Plus(position_1MD.narrow(1, 0, 1));
        Tensor rows_RD = cat([class_B1D.unsqueeze(1).expand(clips, frames, -1, -1), patches_BTND], 2).flatten(0, 2);

        VisionKernels? kernels = UsesKernels ? VisionKernels.For(rows_RD, (int)frames, config.Width, config.Heads, Launcher) : null;
        IBlockArithmetic arithmetic = kernels ?? (IBlockArithmetic)TorchArithmetic.Instance;
        bool trains = training;
        bool dropsPaths = trains && config.DropPathRate > 0 && config.Depth > 1;
        Tensor[][] drops = dropsPaths ? DropPath.Factors(DropPath.Draw(config, shape, rows_RD.device), shape) : [];
        for (int i = 0; i < blocks.Count; i++)
        {
            SpaceTimeBlock block = blocks[i];
            bool classRow = classOnly && i == blocks.Count - 1;
            rows_RD = BackwardMark.Enter(block, rows_RD);
            Tensor[] drop = dropsPaths && i > 0 ? drops[i] : [];
            rows_RD = config.ActivationCheckpointing && trains && is_grad_enabled()
                ? ActivationCheckpoint.Run((rows, drop) => block.Forward(rows, shape, arithmetic, drop, classRow), rows_RD, drop)
                : block.Forward(rows_RD, shape, arithmetic, drop, classRow);
        }
        return norm.call(rows_RD).view(clips, frames, classOnly ? 1 : shape.OfFrame, -1).MoveToOuterDisposeScope();
    }

    // [1, 1 + rows * columns, D]: the stored grid is square.
    private Tensor Positions(long rows, long columns)
    {
        long side = config.ImageSize / config.PatchSize, stored = side * side;
        if (stored == rows * columns) return pos_embed;
        Tensor grid_1DHW = pos_embed.narrow(1, 1, stored).transpose(1, 2).reshape(1, -1, side, side);
        grid_1DHW = functional.interpolate(grid_1DHW, [rows, columns], mode: InterpolationMode.Nearest);
        return cat([pos_embed.narrow(1, 0, 1), grid_1DHW.flatten(2).transpose(1, 2)], 1);
    }

    // [1, frames, D]
    private Tensor Times(long frames) => config.Frames == frames
        ? time_embed
        : functional.interpolate(time_embed.transpose(1, 2), [frames], mode: InterpolationMode.Nearest).transpose(1, 2);
}

/// <summary>
/// Frames to patch vectors. Checkpoints hold a convolution whose kernel is its stride: that is a linear layer over the pixels of a patch.
/// </summary>
public sealed class PatchEmbedding : Module
{
    private readonly int side;

    /// <summary>3 to D channels.</summary>
    public readonly Conv2d proj;

    internal PatchEmbedding(VisionConfig config) : base(nameof(PatchEmbedding))
    {
        side = config.PatchSize;
        proj = Conv2d(3, config.Width, side, side);
        RegisterComponents();
    }

    /// <summary>
    /// Frames [B * T, 3, H, W] to patches [B * T, N, D], row by row. What is left of a frame beyond whole patches is not seen.
    /// </summary>
    public Tensor Forward(Tensor frames_QCHW)
    {
        using var scope = NewDisposeScope();
        long[] sizes = frames_QCHW.shape;
        long rows = sizes[2] / side, columns = sizes[3] / side;
        Tensor pixels_RP = frames_QCHW.narrow(2, 0, rows * side).narrow(3, 0, columns * side)
            .unflatten(3, columns, side).unflatten(2, rows, side).permute(0, 2, 4, 1, 3, 5).reshape(-1, 3 * side * side);
        return functional.linear(pixels_RP, proj.weight!.flatten(1), proj.bias).unflatten(0, -1, rows * columns).MoveToOuterDisposeScope();
    }
}

/// <summary>Attention over time at each patch, then over space in each frame, then an MLP; each on a residual branch.</summary>
public sealed class SpaceTimeBlock : Module
{
    /// <summary>Norm before attention over space.</summary>
    public readonly LayerNorm norm1;

    /// <summary>Attention over space.</summary>
    public readonly VisionAttention attn;

    /// <summary>Norm before attention over time.</summary>
    public readonly LayerNorm temporal_norm1;

    /// <summary>Attention over time.</summary>
    public readonly VisionAttention temporal_attn;

    /// <summary>The gate of attention over time; starts at 0 in all blocks but the first.</summary>
    public readonly Linear temporal_fc;

    /// <summary>Norm before the MLP.</summary>
    public readonly LayerNorm norm2;

    /// <summary>The MLP.</summary>
    public readonly VisionMlp mlp;

    internal SpaceTimeBlock(VisionConfig config, double eps) : base(nameof(SpaceTimeBlock))
    {
        norm1 = LayerNorm(config.Width, eps);
        attn = new VisionAttention(config);
        temporal_norm1 = LayerNorm(config.Width, eps);
        temporal_attn = new VisionAttention(config);
        temporal_fc = Linear(config.Width, config.Width);
        norm2 = LayerNorm(config.Width, eps);
        mlp = new VisionMlp(config);
        RegisterComponents();
    }

    /// <summary>Rows [B * T * M, D] to as many, or to those of the class token alone, [B * T, D].</summary>
    /// <param name="x_RD">The rows.</param>
    /// <param name="rows">What they are.</param>
    /// <param name="arithmetic">What is done between matrix products.</param>
    /// <param name="drop">Factors of the three branches, or none.</param>
    /// <param name="classOnly">Whether the class token alone is wanted.</param>
    internal Tensor Forward(Tensor x_RD, RowShape rows, IBlockArithmetic arithmetic, Tensor[] drop, bool classOnly)
    {
        using var scope = NewDisposeScope();
        (Tensor? dropTime, Tensor? dropSpace, Tensor? dropMlp) = drop is [var time, var space, var mlps] ? (time, space, mlps)
            : default((Tensor?, Tensor?, Tensor?));
        Tensor qkv_RE = temporal_attn.qkv.Apply(arithmetic.Norm(temporal_norm1, x_RD, rows));
        Tensor time_RD = temporal_attn.proj.Apply(arithmetic.TimeContext(qkv_RE, rows, temporal_attn.Heads));
        (x_RD, Tensor? norm_RD) = arithmetic.Add(x_RD, rows, temporal_fc, time_RD, Branch.Time, dropTime, norm1);

        Tensor space_RD = attn.Context(norm_RD!, rows, arithmetic, classOnly);
        if (classOnly) (x_RD, rows) = (VisionAttention.FirstRows(x_RD, rows), rows with { OfFrame = 1 });
        (x_RD, norm_RD) = arithmetic.Add(x_RD, rows, attn.proj, space_RD, Branch.Space, dropSpace, norm2);
        Tensor hidden_RE = functional.gelu(mlp.fc1.Apply(norm_RD!));
        return arithmetic.Add(x_RD, rows, mlp.fc2, hidden_RE, Branch.Mlp, dropMlp, null).Sum_RD.MoveToOuterDisposeScope();
    }

    internal void SilenceTime()
    {
        Initialization.Fill(temporal_fc.weight, 0);
        Initialization.Fill(temporal_fc.bias, 0);
    }

    internal void FreezeCheckpointed()
    {
        foreach (Module recomputed in new Module[] { attn, temporal_attn, mlp })
            foreach (Parameter parameter in recomputed.parameters()) parameter.requires_grad = false;
    }
}

/// <summary>Multi-head self-attention with one projection to queries, keys and values.</summary>
public sealed class VisionAttention : Module
{
    private readonly int width;

    /// <summary>D to 3 D.</summary>
    public readonly Linear qkv;

    /// <summary>D to D.</summary>
    public readonly Linear proj;

    internal VisionAttention(VisionConfig config) : base(nameof(VisionAttention))
    {
        (Heads, width) = (config.Heads, config.Width);
        qkv = Linear(config.Width, 3 * config.Width);
        proj = Linear(config.Width, config.Width);
        RegisterComponents();
    }

    /// <summary>How many heads.</summary>
    internal int Heads { get; }

    /// <summary>The first row of each frame, [B * T, D], of all rows [B * T * M, D].</summary>
    internal static Tensor FirstRows(Tensor x_RD, RowShape rows) => x_RD.view(rows.Clips * rows.Frames, rows.OfFrame, -1).select(1, 0);

    /// <summary>
    /// Frames' rows [B * T * M, D] to what they read, before <see cref="proj"/>: as many rows. With <paramref name="firstRow"/>, those of
    /// the first rows alone, [B * T, D].
    /// </summary>
    internal Tensor Context(Tensor x_RD, RowShape rows, IBlockArithmetic arithmetic, bool firstRow = false)
    {
        using var scope = NewDisposeScope();
        IReadOnlyList<Tensor> qkv_QHMd = firstRow
            ? [.. Part(FirstRows(x_RD, rows), rows with { OfFrame = 1 }, 0, 1), .. Part(x_RD, rows, 1, 2)]
            : arithmetic.Split(qkv.Apply(x_RD), rows, Heads);
        Tensor context_QHMd = functional.scaled_dot_product_attention(qkv_QHMd[0], qkv_QHMd[1], qkv_QHMd[2]);
        return context_QHMd.transpose(1, 2).reshape(-1, width).MoveToOuterDisposeScope();
    }

    // Of queries, keys and values, some: [Q, H, M, d] each.
    private Tensor[] Part(Tensor x_RD, RowShape rows, long first, long count)
    {
        Tensor weight_ED = qkv.weight!.narrow(0, first * width, count * width), bias_E = qkv.bias!.narrow(0, first * width, count * width);
        return TorchArithmetic.Split(functional.linear(x_RD, weight_ED, bias_E), rows, count, Heads);
    }
}

/// <summary>Two linear layers with an exact GELU between them.</summary>
public sealed class VisionMlp : Module
{
    /// <summary>D to the hidden width.</summary>
    public readonly Linear fc1;

    /// <summary>The hidden width to D.</summary>
    public readonly Linear fc2;

    internal VisionMlp(VisionConfig config) : base(nameof(VisionMlp))
    {
        int hidden = (int)(config.Width * config.MlpRatio);
        fc1 = Linear(config.Width, hidden);
        fc2 = Linear(hidden, config.Width);
        RegisterComponents();
    }
}

/// <summary>
/// Stochastic depth: what a branch of each sequence is multiplied by, 0 or 1 / (1 - rate). The rate rises from 0 in the first block.
/// </summary>
internal static class DropPath
{
    /// <summary>The factors of all blocks [depth, B * M + B * T + B], in one draw.</summary>
    public static Tensor Draw(VisionConfig config, RowShape rows, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor keep_L1 = linspace(1, 1 - config.DropPathRate, config.Depth, dtype: ScalarType.Float32, device: device).unsqueeze(1);
        Tensor drawn_LF = rand(config.Depth, rows.Clips * (rows.OfFrame + rows.Frames + 1), device: device);
        return drawn_LF.Plus(keep_L1).floor_().div_(keep_L1).MoveToOuterDisposeScope();
    }

    /// <summary>Those of each block's branches: over time [B * M], over space [B * T], of the MLP [B].</summary>
    public static Tensor[][] Factors(Tensor drops_LF, RowShape rows)
    {
        Tensor[] branches_LF = drops_LF.split([rows.Clips * rows.OfFrame, rows.Clips * rows.Frames, rows.Clips], 1);
        Tensor[][] branches = [.. branches_LF.Select(branch_LF => branch_LF.unbind(0))];
        return [.. branches[0].Select((_, block) => branches.Select(branch => branch[block]).ToArray())];
    }
}
