using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

// B clips, T frames, N patches per frame, D width, S = 1 + N * T tokens: a class token, then patch-major, frame-minor (index 1 + n * T + t).
// Names of module fields are checkpoint keys.

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
        long frames = video_BTCHW.shape[1];
        Tensor tokens_BSD = model.Forward(video_BTCHW);
        long patches = tokens_BSD.shape[1] - 1;
        Tensor patches_BND = tokens_BSD.narrow(1, 1, patches).unflatten(1, patches / frames, frames).mean([2]);
        return cat([tokens_BSD.narrow(1, 0, 1), patches_BND], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Frames [B, T, 3, H, W] to the class token alone, [B, 1, D]: the last block computes nothing else.</summary>
    public Tensor ForwardClass(Tensor video_BTCHW) => model.Forward(video_BTCHW, classOnly: true);
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

    /// <summary>Whether attention over time packs patches (<see cref="TimePacking"/>); null packs them on GPUs.</summary>
    internal bool? PacksTime { get; set; }

    /// <summary>Builds the encoder with fresh weights.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="freezeCheckpointed">With activation checkpointing, leave what it recomputes untrained (<see cref="ReferenceSwitches.FreezeCheckpointed"/>).</param>
    public TimeSformer(VisionConfig config, bool freezeCheckpointed) : base(nameof(TimeSformer))
    {
        this.config = config;
        int side = config.ImageSize / config.PatchSize;
        cls_token = new Parameter(zeros(1, 1, config.Width));
        pos_embed = new Parameter(zeros(1, 1 + side * side, config.Width));
        time_embed = new Parameter(zeros(1, config.Frames, config.Width));
        patch_embed = new PatchEmbedding(config);
        blocks = new ModuleList<SpaceTimeBlock>(Enumerable.Range(0, config.Depth).Select(_ => new SpaceTimeBlock(config, LayerNormEps)).ToArray());
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
    /// Frames [B, T, 3, H, W] to all tokens [B, 1 + N * T, D], or to the class token alone, [B, 1, D]. Embeddings are resized (nearest)
    /// where T or N are not the stored ones.
    /// </summary>
    public Tensor Forward(Tensor video_BTCHW, bool classOnly = false)
    {
        using var scope = NewDisposeScope();
        long clips = video_BTCHW.shape[0], frames = video_BTCHW.shape[1];
        long rows = video_BTCHW.shape[3] / config.PatchSize, columns = video_BTCHW.shape[4] / config.PatchSize, patches = rows * columns;
        Tensor position_1SD = Positions(rows, columns);

        Tensor patches_BTND = patch_embed.Forward(video_BTCHW.flatten(0, 1)).unflatten(0, clips, frames);
        patches_BTND = patches_BTND.Plus(position_1SD.narrow(1, 1, patches).Plus(Times(frames).transpose(0, 1)));
        Tensor class_B1D = cls_token.Plus(position_1SD.narrow(1, 0, 1)).expand(clips, -1, -1);
        Tensor tokens_BSD = cat([class_B1D, patches_BTND.transpose(1, 2).flatten(1, 2)], 1);

        bool packs = PacksTime ?? tokens_BSD.device_type != DeviceType.CPU;
        Tensor? timeMask_11MM = packs ? TimePacking.Mask(patches, frames, tokens_BSD) : null;
        Tensor? drops_LF = training && config.DropPathRate > 0 && config.Depth > 1 ? DropPath.Draw(config, clips, frames, patches, tokens_BSD.device) : null;
        for (int i = 0; i < blocks.Count; i++)
        {
            SpaceTimeBlock block = blocks[i];
            bool classRow = classOnly && i == blocks.Count - 1;
            tokens_BSD = BackwardMark.Enter(block, tokens_BSD);
            var constants = BlockConstants.Of(timeMask_11MM, drops_LF is null || i == 0 ? [] : DropPath.Factors(drops_LF.select(0, i), clips, frames, patches));
            tokens_BSD = config.ActivationCheckpointing && training && is_grad_enabled()
                ? ActivationCheckpoint.Run((tokens, constants) => block.Forward(tokens, frames, new(constants), classRow), tokens_BSD, constants.All)
                : block.Forward(tokens_BSD, frames, constants, classRow);
        }
        return norm.call(tokens_BSD).MoveToOuterDisposeScope();
    }

    // [1, 1 + rows * columns, D]: the stored grid is square.
    private Tensor Positions(long rows, long columns)
    {
        long stored = pos_embed.shape[1] - 1;
        if (stored == rows * columns) return pos_embed;
        long side = (long)Math.Sqrt(stored);
        Tensor grid_1DHW = pos_embed.narrow(1, 1, stored).transpose(1, 2).reshape(1, -1, side, side);
        grid_1DHW = functional.interpolate(grid_1DHW, [rows, columns], mode: InterpolationMode.Nearest);
        return cat([pos_embed.narrow(1, 0, 1), grid_1DHW.flatten(2).transpose(1, 2)], 1);
    }

    // [1, frames, D]
    private Tensor Times(long frames) => time_embed.shape[1] == frames
        ? time_embed
        : functional.interpolate(time_embed.transpose(1, 2), [frames], mode: InterpolationMode.Nearest).transpose(1, 2);
}

/// <summary>Frames to patch vectors. Checkpoints hold a convolution whose kernel is its stride: that is a linear layer over the pixels of a patch.</summary>
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

    /// <summary>Frames [B * T, 3, H, W] to patches [B * T, N, D], row by row; what is left of a frame beyond whole patches is not seen.</summary>
    public Tensor Forward(Tensor frames_QCHW)
    {
        using var scope = NewDisposeScope();
        long rows = frames_QCHW.shape[2] / side, columns = frames_QCHW.shape[3] / side;
        Tensor pixels_QNP = frames_QCHW.narrow(2, 0, rows * side).narrow(3, 0, columns * side)
            .unflatten(3, columns, side).unflatten(2, rows, side).permute(0, 2, 4, 1, 3, 5).reshape(-1, rows * columns, 3 * side * side);
        return functional.linear(pixels_QNP, proj.weight!.flatten(1), proj.bias).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Attention over time in few long sequences. A sequence is the T frames of one patch: too short to fill a GPU's tiles. The frames of several
/// patches lie one after the other, so they are one sequence without a copy, and a mask keeps each patch to its own frames.
/// </summary>
internal static class TimePacking
{
    private const int Tile = 64, LongTile = 128, LongVideo = 16;

    /// <summary>What is added to the scores [1, 1, M, M] of a sequence of M / T patches: 0 within a patch, minus infinity between patches.</summary>
    /// <param name="patches">Patches of a frame.</param>
    /// <param name="frames">T.</param>
    /// <param name="like">Gives it its type and device.</param>
    public static Tensor Mask(long patches, long frames, Tensor like)
    {
        using var scope = NewDisposeScope();
        long packed = Patches(patches, frames);
        Tensor patch_M = TensorOps.Range(0, packed, like.device).repeat_interleave(frames);
        Tensor other_MM = patch_M.unsqueeze(0).ne(patch_M.unsqueeze(1));
        return zeros(other_MM.shape, dtype: like.dtype, device: like.device).Exclude(other_MM).unsqueeze(0).unsqueeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>Patches of a sequence: the most that divide all patches and fit into a tile.</summary>
    public static long Patches(long patches, long frames)
    {
        long most = Math.Max(1, (frames >= LongVideo ? LongTile : Tile) / frames);
        for (long count = Math.Min(most, patches); count > 1; count--)
            if (patches % count == 0) return count;
        return 1;
    }
}

/// <summary>What a block is given besides its tokens; made before it runs, so that a block computed twice is given the same.</summary>
/// <param name="All">Three factors of its branches or none, then the mask of attention over time if it is packed.</param>
internal readonly record struct BlockConstants(Tensor[] All)
{
    /// <summary>What is added to the scores of attention over time; null where each patch is a sequence of its own.</summary>
    public Tensor? TimeMask_11MM => All.Length % 3 == 1 ? All[^1] : null;

    /// <summary>What the branches over time, over space and of the MLP are multiplied by; null for 1.</summary>
    public (Tensor? Time_Q11, Tensor? Space_Q11, Tensor? Mlp_B11) Drop => All.Length >= 3 ? (All[0], All[1], All[2]) : default;

    public static BlockConstants Of(Tensor? timeMask_11MM, Tensor[] drop) => new(timeMask_11MM is null ? drop : [.. drop, timeMask_11MM]);
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

    /// <summary>Tokens [B, 1 + N * T, D] to tokens of the same shape, or to the class token alone.</summary>
    internal Tensor Forward(Tensor tokens_BSD, long frames, BlockConstants constants, bool classOnly)
    {
        using var scope = NewDisposeScope();
        long clips = tokens_BSD.shape[0], patches = (tokens_BSD.shape[1] - 1) / frames;
        Tensor class_B1D = tokens_BSD.narrow(1, 0, 1), patches_BSD = tokens_BSD.narrow(1, 1, patches * frames);
        (Tensor? dropTime, Tensor? dropSpace, Tensor? dropMlp) = constants.Drop;

        long sequence = constants.TimeMask_11MM?.shape[3] ?? frames;
        Tensor time_QMD = temporal_attn.Forward(temporal_norm1.call(patches_BSD).reshape(-1, sequence, tokens_BSD.shape[2]), constants.TimeMask_11MM);
        Tensor time_BSD = temporal_fc.call(DropPath.Apply(dropTime, time_QMD.view(clips * patches, frames, -1))).view(clips, patches * frames, -1);
        Tensor patches_BNTD = patches_BSD.Plus(time_BSD).unflatten(1, patches, frames);

        // The class token joins every frame; what the frames do to it is averaged.
        Tensor frames_BTMD = cat([class_B1D.unsqueeze(1).expand(-1, frames, -1, -1), patches_BNTD.transpose(1, 2)], 2);
        Tensor space_QMD = DropPath.Apply(dropSpace, attn.Forward(norm1.call(frames_BTMD.flatten(0, 1)), firstRow: classOnly));
        Tensor space_BTMD = space_QMD.unflatten(0, clips, frames);
        class_B1D = class_B1D.Plus(space_BTMD.select(2, 0).mean([1], keepdim: true));
        tokens_BSD = classOnly ? class_B1D : cat([class_B1D, patches_BNTD.Plus(space_BTMD.narrow(2, 1, patches).transpose(1, 2)).reshape(clips, patches * frames, -1)], 1);

        Tensor mlp_BSD = DropPath.Apply(dropMlp, mlp.Forward(norm2.call(tokens_BSD)));
        return tokens_BSD.Plus(mlp_BSD).MoveToOuterDisposeScope();
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
    private readonly int heads;

    /// <summary>D to 3 D.</summary>
    public readonly Linear qkv;

    /// <summary>D to D.</summary>
    public readonly Linear proj;

    internal VisionAttention(VisionConfig config) : base(nameof(VisionAttention))
    {
        heads = config.Heads;
        qkv = Linear(config.Width, 3 * config.Width);
        proj = Linear(config.Width, config.Width);
        RegisterComponents();
    }

    /// <summary>Sequences [Q, M, D] to sequences of the same shape, or to their first rows alone, [Q, 1, D].</summary>
    /// <param name="sequences_QMD">The sequences.</param>
    /// <param name="mask_11MM">What is added to the scores.</param>
    /// <param name="firstRow">Whether the first rows alone are wanted.</param>
    public Tensor Forward(Tensor sequences_QMD, Tensor? mask_11MM = null, bool firstRow = false)
    {
        using var scope = NewDisposeScope();
        Tensor[] qkv_QHMd = firstRow
            ? [.. Heads(Part(sequences_QMD.narrow(1, 0, 1), 0, 1), 1), .. Heads(Part(sequences_QMD, 1, 2), 2)]
            : Heads(qkv.call(sequences_QMD), 3);
        Tensor context_QHMd = functional.scaled_dot_product_attention(qkv_QHMd[0], qkv_QHMd[1], qkv_QHMd[2], mask_11MM);
        return proj.call(context_QHMd.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope();
    }

    // Of the projections to queries, keys and values, some.
    private Tensor Part(Tensor x_QMD, long first, long count)
    {
        long width = x_QMD.shape[2];
        return functional.linear(x_QMD, qkv.weight!.narrow(0, first * width, count * width), qkv.bias!.narrow(0, first * width, count * width));
    }

    // Projections [Q, M, count * D] to each [Q, H, M, d].
    private Tensor[] Heads(Tensor projected, long count) => projected.unflatten(2, count, heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
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

    /// <summary>[..., D] to [..., D].</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return fc2.call(functional.gelu(fc1.call(x))).MoveToOuterDisposeScope();
    }
}

/// <summary>Stochastic depth: what a residual branch of each sequence is multiplied by, 0 or 1 / (1 - rate). The rate rises from 0 in the first block.</summary>
internal static class DropPath
{
    /// <summary>The factors of all blocks [depth, B * N + B * T + B], in one draw.</summary>
    public static Tensor Draw(VisionConfig config, long clips, long frames, long patches, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor keep_L1 = linspace(1, 1 - config.DropPathRate, config.Depth, dtype: ScalarType.Float32, device: device).unsqueeze(1);
        return rand(config.Depth, clips * (patches + frames + 1), device: device).Plus(keep_L1).floor_().div_(keep_L1).MoveToOuterDisposeScope();
    }

    /// <summary>Those of one block's branches: [B * N, 1, 1] over time, [B * T, 1, 1] over space and [B, 1, 1].</summary>
    public static Tensor[] Factors(Tensor drops_F, long clips, long frames, long patches)
    {
        long time = clips * patches, space = clips * frames;
        return [drops_F.narrow(0, 0, time).view(-1, 1, 1), drops_F.narrow(0, time, space).view(-1, 1, 1), drops_F.narrow(0, time + space, clips).view(-1, 1, 1)];
    }

    public static Tensor Apply(Tensor? factors, Tensor branch) => factors is null ? branch : branch.mul(factors);
}
