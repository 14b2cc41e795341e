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
        Tensor patches_QDHW = patch_embed.Forward(video_BTCHW.flatten(0, 1));
        long rows = patches_QDHW.shape[2], columns = patches_QDHW.shape[3];
        Tensor position_1SD = Positions(rows, columns);

        Tensor patches_BTND = patches_QDHW.flatten(2).transpose(1, 2).unflatten(0, clips, frames);
        patches_BTND = patches_BTND.Plus(position_1SD.narrow(1, 1, rows * columns)).Plus(Times(frames).unsqueeze(2));
        Tensor class_B1D = cls_token.Plus(position_1SD.narrow(1, 0, 1)).expand(clips, -1, -1);
        Tensor tokens_BSD = cat([class_B1D, patches_BTND.transpose(1, 2).flatten(1, 2)], 1);

        for (int i = 0; i < blocks.Count; i++)
        {
            SpaceTimeBlock block = blocks[i];
            bool classRow = classOnly && i == blocks.Count - 1;
            Tensor[] drop = DropPath.Draw(training ? DropPathRate(i) : 0, clips, frames, rows * columns, tokens_BSD.device);
            tokens_BSD = config.ActivationCheckpointing && training && is_grad_enabled()
                ? ActivationCheckpoint.Run((tokens, drop) => block.Forward(tokens, frames, drop, classRow), tokens_BSD, drop)
                : block.Forward(tokens_BSD, frames, drop, classRow);
        }
        return norm.call(tokens_BSD).MoveToOuterDisposeScope();
    }

    private double DropPathRate(int block) => config.Depth == 1 ? 0 : config.DropPathRate * block / (config.Depth - 1);

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

/// <summary>Frames to patch vectors: a convolution whose kernel is its stride.</summary>
public sealed class PatchEmbedding : Module
{
    /// <summary>3 to D channels.</summary>
    public readonly Conv2d proj;

    internal PatchEmbedding(VisionConfig config) : base(nameof(PatchEmbedding))
    {
        proj = Conv2d(3, config.Width, config.PatchSize, config.PatchSize);
        RegisterComponents();
    }

    /// <summary>Frames [B * T, 3, H, W] to patches [B * T, D, H/p, W/p].</summary>
    public Tensor Forward(Tensor frames_QCHW) => proj.call(frames_QCHW);
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
    internal Tensor Forward(Tensor tokens_BSD, long frames, Tensor[] drop, bool classOnly)
    {
        using var scope = NewDisposeScope();
        long clips = tokens_BSD.shape[0], patches = (tokens_BSD.shape[1] - 1) / frames;
        Tensor class_B1D = tokens_BSD.narrow(1, 0, 1), patches_BSD = tokens_BSD.narrow(1, 1, patches * frames);

        Tensor time_QTD = temporal_attn.Forward(temporal_norm1.call(patches_BSD).reshape(clips * patches, frames, -1));
        Tensor time_BSD = temporal_fc.call(DropPath.Time(drop, time_QTD)).view(clips, patches * frames, -1);
        Tensor patches_BNTD = patches_BSD.Plus(time_BSD).unflatten(1, patches, frames);

        // The class token joins every frame; what the frames do to it is averaged.
        Tensor frames_BTMD = cat([class_B1D.unsqueeze(1).expand(-1, frames, -1, -1), patches_BNTD.transpose(1, 2)], 2);
        Tensor space_QMD = DropPath.Space(drop, attn.Forward(norm1.call(frames_BTMD.flatten(0, 1)), classOnly));
        Tensor space_BTMD = space_QMD.unflatten(0, clips, frames);
        class_B1D = class_B1D.Plus(space_BTMD.select(2, 0).mean([1], keepdim: true));
        tokens_BSD = classOnly ? class_B1D : cat([class_B1D, patches_BNTD.Plus(space_BTMD.narrow(2, 1, patches).transpose(1, 2)).reshape(clips, patches * frames, -1)], 1);

        Tensor mlp_BSD = DropPath.Mlp(drop, mlp.Forward(norm2.call(tokens_BSD)));
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
    public Tensor Forward(Tensor sequences_QMD, bool firstRow = false)
    {
        using var scope = NewDisposeScope();
        Tensor[] qkv_QHMd = firstRow
            ? [.. Project(sequences_QMD.narrow(1, 0, 1), 0, 1), .. Project(sequences_QMD, 1, 2)]
            : Project(sequences_QMD, 0, 3);
        Tensor context_QHMd = functional.scaled_dot_product_attention(qkv_QHMd[0], qkv_QHMd[1], qkv_QHMd[2]);
        return proj.call(context_QHMd.transpose(1, 2).flatten(2)).MoveToOuterDisposeScope();
    }

    // Of queries, keys and values, some: each [Q, H, M, d].
    private Tensor[] Project(Tensor x_QMD, long first, long count)
    {
        long width = x_QMD.shape[2];
        Tensor projected = functional.linear(x_QMD, qkv.weight!.narrow(0, first * width, count * width), qkv.bias!.narrow(0, first * width, count * width));
        return projected.unflatten(2, count, heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
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

    /// <summary>[..., D] to [..., D].</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return fc2.call(functional.gelu(fc1.call(x))).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Stochastic depth: what a residual branch of each sequence is multiplied by, 0 or 1 / (1 - rate). Drawn before the block runs, so that a
/// block computed twice (activation checkpointing) drops the same paths on any device.
/// </summary>
internal static class DropPath
{
    /// <summary>The factors of one block's branches, [B * N, 1, 1] over time, [B * T, 1, 1] over space and [B, 1, 1]; none where nothing is dropped.</summary>
    public static Tensor[] Draw(double rate, long clips, long frames, long patches, Device device)
    {
        return rate == 0 ? [] : [Factors(clips * patches), Factors(clips * frames), Factors(clips)];

        Tensor Factors(long sequences) => rand(sequences, 1, 1, device: device).Plus(1 - rate).floor().Over(1 - rate);
    }

    public static Tensor Time(Tensor[] drop, Tensor branch_QTD) => drop.Length == 0 ? branch_QTD : branch_QTD.mul(drop[0]);

    public static Tensor Space(Tensor[] drop, Tensor branch_QMD) => drop.Length == 0 ? branch_QMD : branch_QMD.mul(drop[1]);

    public static Tensor Mlp(Tensor[] drop, Tensor branch_BSD) => drop.Length == 0 ? branch_BSD : branch_BSD.mul(drop[2]);
}
