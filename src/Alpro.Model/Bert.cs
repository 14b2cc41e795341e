using Alpro.Model.Arithmetic;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

// B sequences, L text tokens, V video tokens, S = L + V, D width, Q rows that are computed. Names of module fields are checkpoint keys.

/// <summary>
/// BERT split in two (paper section 3.1): the layers before <see cref="TextConfig.FusionLayer"/> read text alone, the others read
/// [text tokens ; video tokens]. No pooler.
/// </summary>
public sealed class Bert : Module
{
    // Added to the scores of padding: far below any score, and finite.
    private const double Padding = -10000;

    private readonly int fusionLayer;

    /// <summary>Word, position and type embeddings.</summary>
    public readonly BertEmbeddings embeddings;

    /// <summary>The layers.</summary>
    public readonly BertEncoder encoder;

    /// <summary>Builds the encoder with fresh weights.</summary>
    public Bert(TextConfig config) : base(nameof(Bert))
    {
        if (config.FusionLayer >= config.Layers)
            throw new ArgumentException($"The fusion encoder starts at layer {config.FusionLayer} of {config.Layers}: at least the last "
                + "layer must belong to it.", nameof(config));
        fusionLayer = config.FusionLayer;
        embeddings = new BertEmbeddings(config);
        encoder = new BertEncoder(config);
        RegisterComponents();
        Initialization.BertWeights(this, config.InitializerRange);
    }

    /// <summary>
    /// Mode text: ids int64 [B, L] and mask [B, L] (1 token, 0 padding) to tokens [B, L, D]. With <paramref name="classOnly"/>, to the
    /// class token alone, [B, 1, D].
    /// </summary>
    public Tensor EncodeText(Tensor ids_BL, Tensor mask_BL, bool classOnly = false)
    {
        using var scope = NewDisposeScope();
        long[] sizes = ids_BL.shape;
        Tensor tokens_RD = embeddings.Forward(ids_BL, sizes[1]).flatten(0, 1), mask_B11L = ScoreMask(mask_BL, tokens_RD);
        for (int i = 0; i < fusionLayer; i++)
        {
            tokens_RD = BackwardMark.Enter(encoder.layer[i], tokens_RD);
            bool oneRow = classOnly && i == fusionLayer - 1;
            Tensor rows_RD = oneRow ? tokens_RD.unflatten(0, sizes[0], -1).select(1, 0) : tokens_RD;
            tokens_RD = encoder.layer[i].Forward(rows_RD, tokens_RD, sizes[0], mask_B11L, oneRow);
        }
        return tokens_RD.unflatten(0, sizes[0], -1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Mode fusion, all layers but the last; video tokens are all attended. <see cref="LastLayer"/> computes the rows that are wanted.
    /// </summary>
    public FusedTokens Fuse(TokenPairs pairs)
    {
        using var scope = NewDisposeScope();
        long[] video = pairs.Video_PVD.shape;
        Tensor tokens_RD = cat([pairs.Text_PLD, pairs.Video_PVD], 1).flatten(0, 1);
        Tensor mask_P11S = functional.pad(ScoreMask(pairs.Mask_PL, tokens_RD), [0, video[1]]);
        for (int i = fusionLayer; i < encoder.layer.Count - 1; i++)
        {
            tokens_RD = BackwardMark.Enter(encoder.layer[i], tokens_RD);
            tokens_RD = encoder.layer[i].Forward(tokens_RD, tokens_RD, video[0], mask_P11S);
        }
        return new(tokens_RD.unflatten(0, video[0], -1).MoveToOuterDisposeScope(), mask_P11S.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// What the first fusion layer computes of tokens [B, M, D] of one side alone, to be used again with others of the other side.
    /// </summary>
    public ProjectedTokens Project(Tensor tokens_BMD) => encoder.layer[fusionLayer].Project(tokens_BMD);

    /// <summary>Mode fusion, all layers but the last, of pairs whose sides are known by <see cref="Project"/>.</summary>
    /// <param name="text_P">Text tokens [P, L, D].</param>
    /// <param name="mask_PL">1 for a token, 0 for padding.</param>
    /// <param name="video_P">Video tokens [P, V, D].</param>
    public FusedTokens Fuse(ProjectedTokens text_P, Tensor mask_PL, ProjectedTokens video_P)
    {
        using var scope = NewDisposeScope();
        long[] video = video_P.Tokens_BMD.shape;
        Tensor mask_P11S = functional.pad(ScoreMask(mask_PL, text_P.Tokens_BMD), [0, video[1]]);
        Tensor tokens_RD = fusionLayer == encoder.layer.Count - 1
            ? cat([text_P.Tokens_BMD, video_P.Tokens_BMD], 1).flatten(0, 1)
            : encoder.layer[fusionLayer].Forward(Joined(text_P, video_P), video[0], mask_P11S);
        for (int i = fusionLayer + 1; i < encoder.layer.Count - 1; i++)
            tokens_RD = encoder.layer[i].Forward(tokens_RD, tokens_RD, video[0], mask_P11S);
        return new(tokens_RD.unflatten(0, video[0], -1).MoveToOuterDisposeScope(), mask_P11S.MoveToOuterDisposeScope());

        static ProjectedTokens Joined(params ProjectedTokens[] sides) => ProjectedTokens.Zip(sides, parts => cat(parts, 1).flatten(0, 1));
    }

    /// <summary>The last fusion layer at these rows of each sequence only, [B, Q, D] in the order given.</summary>
    public Tensor LastLayer(FusedTokens fused, params ReadOnlySpan<(long Start, long Count)> rows)
    {
        using var scope = NewDisposeScope();
        long sequences = fused.Tokens_BSD.shape[0];
        Tensor tokens_BSD = BackwardMark.Enter(encoder.layer[^1], fused.Tokens_BSD);
        var parts = new Tensor[rows.Length];
        for (int i = 0; i < parts.Length; i++) parts[i] = tokens_BSD.narrow(1, rows[i].Start, rows[i].Count);
        Tensor queries_RD = (parts.Length == 1 ? parts[0] : cat(parts, 1)).flatten(0, 1);
        bool oneRow = rows is [(_, 1)];
        Tensor last_RD = encoder.layer[^1].Forward(queries_RD, tokens_BSD.flatten(0, 1), sequences, fused.Mask_B11S, oneRow);
        return last_RD.unflatten(0, sequences, -1).MoveToOuterDisposeScope();
    }

    private static Tensor ScoreMask(Tensor mask_BL, Tensor like) =>
        mask_BL.to_type(like.dtype).OneMinus().Times(Padding).unsqueeze(1).unsqueeze(1);
}

/// <summary>Tokens [B, M, D] and what a layer's attention makes of each of them alone.</summary>
public sealed record ProjectedTokens(Tensor Tokens_BMD, Tensor Query_BMD, Tensor Key_BMD, Tensor Value_BMD)
{
    /// <summary>Makes one of several, part by part.</summary>
    public static ProjectedTokens Zip(IReadOnlyCollection<ProjectedTokens> parts, Func<Tensor[], Tensor> join) => new(
        join([.. parts.Select(part => part.Tokens_BMD)]), join([.. parts.Select(part => part.Query_BMD)]),
        join([.. parts.Select(part => part.Key_BMD)]), join([.. parts.Select(part => part.Value_BMD)]));

    /// <summary>Does the same to every part.</summary>
    public ProjectedTokens Map(Func<Tensor, Tensor> change) => Zip([this], parts => change(parts[0]));
}

/// <summary>Sequences inside the fusion encoder, before its last layer.</summary>
/// <param name="Tokens_BSD">Hidden states, text before video.</param>
/// <param name="Mask_B11S">What is added to attention scores.</param>
public sealed record FusedTokens(Tensor Tokens_BSD, Tensor Mask_B11S)
{
    /// <summary>Some of the sequences.</summary>
    public FusedTokens Sequences(long start, long count) => new(Tokens_BSD.narrow(0, start, count), Mask_B11S.narrow(0, start, count));
}

/// <summary>A <see cref="Bert"/> with the head of masked language modelling, whose decoder is tied to the word embeddings.</summary>
public sealed class BertForMaskedLM : Module
{
    /// <summary>The encoder.</summary>
    public readonly Bert bert;

    /// <summary>The head.</summary>
    public readonly MlmHead cls;

    /// <summary>Builds encoder and head with fresh weights.</summary>
    public BertForMaskedLM(TextConfig config) : base(nameof(BertForMaskedLM))
    {
        bert = new Bert(config);
        cls = new MlmHead(config);
        RegisterComponents();
    }

    /// <summary>Hidden states [M, D] to vocabulary scores [M, vocabulary].</summary>
    public Tensor Vocabulary(Tensor hidden_MD)
    {
        using var scope = NewDisposeScope();
        Tensor transformed_MD = cls.predictions.transform.Forward(hidden_MD);
        return functional.linear(transformed_MD, bert.embeddings.word_embeddings.weight!, cls.predictions.bias).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Checkpoints name the tied decoder too: the same tensors under the names <c>decoder.weight</c> and <c>decoder.bias</c>.
    /// </summary>
    public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
    {
        destination = base.state_dict(destination, prefix);
        string decoder = string.IsNullOrEmpty(prefix) ? "cls.predictions.decoder" : $"{prefix}.cls.predictions.decoder";
        destination[$"{decoder}.weight"] = bert.embeddings.word_embeddings.weight!;
        destination[$"{decoder}.bias"] = cls.predictions.bias;
        return destination;
    }
}

/// <summary>The head of masked language modelling, <c>cls.*</c>.</summary>
public sealed class MlmHead : Module
{
    /// <summary>Its one part.</summary>
    public readonly MlmPredictions predictions;

    internal MlmHead(TextConfig config) : base(nameof(MlmHead))
    {
        predictions = new MlmPredictions(config);
        RegisterComponents();
    }
}

/// <summary>A transform and the bias of the tied decoder.</summary>
public sealed class MlmPredictions : Module
{
    /// <summary>Bias per word piece.</summary>
    public readonly Parameter bias;

    /// <summary>Dense, GELU, norm.</summary>
    public readonly MlmTransform transform;

    internal MlmPredictions(TextConfig config) : base(nameof(MlmPredictions))
    {
        bias = new Parameter(zeros(config.VocabularySize));
        transform = new MlmTransform(config);
        RegisterComponents();
        Initialization.BertWeights(this, config.InitializerRange);
    }
}

/// <summary>Dense, exact GELU, norm.</summary>
public sealed class MlmTransform : Module
{
    /// <summary>D to D.</summary>
    public readonly Linear dense;

    /// <summary>The norm.</summary>
    public readonly LayerNorm LayerNorm;

    internal MlmTransform(TextConfig config) : base(nameof(MlmTransform))
    {
        dense = Linear(config.Width, config.Width);
        LayerNorm = LayerNorm(config.Width, config.LayerNormEps);
        RegisterComponents();
    }

    /// <summary>[M, D] to [M, D].</summary>
    public Tensor Forward(Tensor hidden_MD) => LayerNorm.call(functional.gelu(dense.Apply(hidden_MD)));
}

/// <summary>Word + position + type embeddings, norm, dropout.</summary>
public sealed class BertEmbeddings : Module
{
    private readonly double dropout;

    /// <summary>0, 1, ... : int64 [1, positions]; a buffer of every checkpoint.</summary>
    public readonly Tensor position_ids;

    /// <summary>Per word piece; id 0, padding, gets no gradient from here.</summary>
    public readonly Embedding word_embeddings;

    /// <summary>Per position.</summary>
    public readonly Embedding position_embeddings;

    /// <summary>Per segment; only the first is used.</summary>
    public readonly Embedding token_type_embeddings;

    /// <summary>The norm.</summary>
    public readonly LayerNorm LayerNorm;

    internal BertEmbeddings(TextConfig config) : base(nameof(BertEmbeddings))
    {
        dropout = config.HiddenDropout;
        position_ids = TensorOps.Range(0, config.MaxPositions, CPU).unsqueeze(0);
        word_embeddings = Embedding(config.VocabularySize, config.Width, padding_idx: 0);
        position_embeddings = Embedding(config.MaxPositions, config.Width);
        token_type_embeddings = Embedding(2, config.Width);
        LayerNorm = LayerNorm(config.Width, config.LayerNormEps);
        RegisterComponents();
    }

    /// <summary>Ids int64 [B, L] to [B, L, D].</summary>
    public Tensor Forward(Tensor ids_BL, long length)
    {
        using var scope = NewDisposeScope();
        Tensor positions_LD = position_embeddings.weight!.narrow(0, 0, length);
        Tensor words_BLD = word_embeddings.call(ids_BL).Plus(token_type_embeddings.weight!.narrow(0, 0, 1)).Plus(positions_LD);
        return functional.dropout(LayerNorm.call(words_BLD), dropout, training).MoveToOuterDisposeScope();
    }
}

/// <summary>The layers, <c>encoder.layer.*</c>.</summary>
public sealed class BertEncoder : Module
{
    /// <summary>First to last.</summary>
    public readonly ModuleList<BertLayer> layer;

    internal BertEncoder(TextConfig config) : base(nameof(BertEncoder))
    {
        layer = new ModuleList<BertLayer>(Enumerable.Range(0, config.Layers).Select(_ => new BertLayer(config)).ToArray());
        RegisterComponents();
    }
}

/// <summary>Attention and a feed-forward part, each followed by dropout, residual and norm.</summary>
public sealed class BertLayer : Module
{
    /// <summary>Attention.</summary>
    public readonly BertAttention attention;

    /// <summary>D to the hidden width.</summary>
    public readonly BertIntermediate intermediate;

    /// <summary>The hidden width to D.</summary>
    public readonly BertOutput output;

    internal BertLayer(TextConfig config) : base(nameof(BertLayer))
    {
        attention = new BertAttention(config);
        intermediate = new BertIntermediate(config);
        output = new BertOutput(config.IntermediateSize, config);
        RegisterComponents();
    }

    /// <summary>What its attention makes of tokens, each alone.</summary>
    internal ProjectedTokens Project(Tensor tokens_BMD)
    {
        Tensor tokens_RD = tokens_BMD.flatten(0, 1);
        return new(tokens_BMD, Of(attention.self.query), Of(attention.self.key), Of(attention.self.value));

        Tensor Of(Linear projection) => projection.Apply(tokens_RD).view_as(tokens_BMD);
    }

    /// <summary>The layer's output [B * S, D] for whole sequences whose projections are known.</summary>
    internal Tensor Forward(ProjectedTokens tokens_RD, long sequences, Tensor mask_B11S)
    {
        using var scope = NewDisposeScope();
        return Finish(attention.self.Forward(tokens_RD, sequences, mask_B11S), tokens_RD.Tokens_BMD).MoveToOuterDisposeScope();
    }

    /// <summary>The layer's output [B * Q, D] for rows of sequences [B * S, D]: all of them, or those that are wanted.</summary>
    /// <param name="rows_RD">The rows.</param>
    /// <param name="tokens_RD">The sequences, one after another.</param>
    /// <param name="sequences">B.</param>
    /// <param name="mask_B11S">What is added to attention scores.</param>
    /// <param name="oneRow">Whether each sequence has one row that is wanted.</param>
    internal Tensor Forward(Tensor rows_RD, Tensor tokens_RD, long sequences, Tensor mask_B11S, bool oneRow = false)
    {
        using var scope = NewDisposeScope();
        return Finish(attention.self.Forward(rows_RD, tokens_RD, sequences, mask_B11S, oneRow), rows_RD).MoveToOuterDisposeScope();
    }

    private Tensor Finish(Tensor context_RD, Tensor rows_RD)
    {
        Tensor attended_RD = attention.output.Forward(context_RD, rows_RD);
        return output.Forward(intermediate.Forward(attended_RD), attended_RD);
    }
}

/// <summary>Attention with its output part.</summary>
public sealed class BertAttention : Module
{
    /// <summary>The attention itself.</summary>
    public readonly BertSelfAttention self;

    /// <summary>D to D.</summary>
    public readonly BertOutput output;

    internal BertAttention(TextConfig config) : base(nameof(BertAttention))
    {
        self = new BertSelfAttention(config);
        output = new BertOutput(config.Width, config);
        RegisterComponents();
    }
}

/// <summary>Multi-head attention.</summary>
public sealed class BertSelfAttention : Module
{
    private readonly int heads, width;
    private readonly double dropout;
    private readonly Scalar scale;                                   // of scores; rooted here

    /// <summary>D to D.</summary>
    public readonly Linear query;

    /// <summary>D to D.</summary>
    public readonly Linear key;

    /// <summary>D to D.</summary>
    public readonly Linear value;

    internal BertSelfAttention(TextConfig config) : base(nameof(BertSelfAttention))
    {
        (heads, width) = (config.Heads, config.Width);
        scale = 1 / Math.Sqrt(width / heads);
        dropout = config.AttentionDropout;
        query = Linear(config.Width, config.Width);
        key = Linear(config.Width, config.Width);
        value = Linear(config.Width, config.Width);
        RegisterComponents();
    }

    /// <summary>What rows [B * Q, D] read from tokens [B * S, D] of their sequences.</summary>
    internal Tensor Forward(Tensor rows_RD, Tensor tokens_RD, long sequences, Tensor mask_B11S, bool oneRow)
    {
        using var scope = NewDisposeScope();
        if (oneRow) return OneRow(rows_RD, tokens_RD.unflatten(0, sequences, -1), mask_B11S).MoveToOuterDisposeScope();
        return Attend(query.Apply(rows_RD), key.Apply(tokens_RD), value.Apply(tokens_RD), sequences, mask_B11S).MoveToOuterDisposeScope();
    }

    /// <summary>What all tokens read from each other, their projections known.</summary>
    internal Tensor Forward(ProjectedTokens tokens_RD, long sequences, Tensor mask_B11S) =>
        Attend(tokens_RD.Query_BMD, tokens_RD.Key_BMD, tokens_RD.Value_BMD, sequences, mask_B11S);

    private Tensor Attend(Tensor query_RD, Tensor key_RD, Tensor value_RD, long sequences, Tensor mask_B11S)
    {
        using var scope = NewDisposeScope();
        Tensor query_BHQd = Heads(query_RD), key_BHSd = Heads(key_RD), value_BHSd = Heads(value_RD);
        double drop = dropout > 0 && training ? dropout : 0;
        Tensor context_BHQd = drop > 0 && query_RD.device_type == DeviceType.CPU
            ? WithDropout(query_BHQd, key_BHSd, value_BHSd, mask_B11S)
            : functional.scaled_dot_product_attention(query_BHQd, key_BHSd, value_BHSd, mask_B11S, drop);
        return context_BHQd.transpose(1, 2).reshape(-1, width).MoveToOuterDisposeScope();

        Tensor Heads(Tensor x_RD) => x_RD.view(sequences, -1, heads, width / heads).transpose(1, 2);
    }

    // For one row it costs less to bring the query to the tokens than all tokens' keys and values to the query. It gives the same: q.(Kx) =
    // (K'q).x, and the sum of w(Vx) is V(the sum of wx). A key's bias adds the same to all scores of a row, which softmax does not see.
    private Tensor OneRow(Tensor row_BD, Tensor tokens_BSD, Tensor mask_B11S)
    {
        Tensor query_HBd = query.Apply(row_BD).unflatten(1, heads, -1).transpose(0, 1);
        Tensor query_BHD = query_HBd.bmm(key.weight!.unflatten(0, heads, -1)).transpose(0, 1);
        Tensor scores_BHS = query_BHD.mul(scale).bmm(tokens_BSD.transpose(1, 2)).Plus(mask_B11S.squeeze(1));
        Tensor weights_BHS = functional.dropout(scores_BHS.softmax(-1), dropout, training);
        Tensor context_HBd = weights_BHS.bmm(tokens_BSD).transpose(0, 1).bmm(value.weight!.unflatten(0, heads, -1).transpose(1, 2));
        Tensor bias_BHd = weights_BHS.sum(2, keepdim: true).mul(value.bias!.unflatten(0, heads, -1));
        return context_HBd.transpose(0, 1).Plus(bias_BHd).flatten(1);
    }

    // Written out: on the CPU the fused form with dropout is a slower one.
    private Tensor WithDropout(Tensor query_BHQd, Tensor key_BHSd, Tensor value_BHSd, Tensor mask_B11S)
    {
        Tensor mask_G1S = mask_B11S.expand(-1, heads, -1, -1).flatten(0, 1);
        Tensor scaled_GQd = query_BHQd.flatten(0, 1).mul(scale);
        Tensor scores_GQS = scaled_GQd.bmm(key_BHSd.flatten(0, 1).transpose(1, 2)).add_(mask_G1S, TensorOps.One);
        Tensor weights_GQS = functional.dropout(scores_GQS.softmax(-1), dropout, training);
        return weights_GQS.bmm(value_BHSd.flatten(0, 1)).unflatten(0, -1, heads);
    }
}

/// <summary>D to the hidden width, exact GELU.</summary>
public sealed class BertIntermediate : Module
{
    /// <summary>D to the hidden width.</summary>
    public readonly Linear dense;

    internal BertIntermediate(TextConfig config) : base(nameof(BertIntermediate))
    {
        dense = Linear(config.Width, config.IntermediateSize);
        RegisterComponents();
    }

    /// <summary>[R, D] to [R, hidden].</summary>
    public Tensor Forward(Tensor x_RD)
    {
        using var scope = NewDisposeScope();
        return functional.gelu(dense.Apply(x_RD)).MoveToOuterDisposeScope();
    }
}

/// <summary>Dense, dropout, residual, norm.</summary>
public sealed class BertOutput : Module
{
    private readonly double dropout;

    /// <summary>To D.</summary>
    public readonly Linear dense;

    /// <summary>The norm.</summary>
    public readonly LayerNorm LayerNorm;

    internal BertOutput(int inputWidth, TextConfig config) : base(nameof(BertOutput))
    {
        dropout = config.HiddenDropout;
        dense = Linear(inputWidth, config.Width);
        LayerNorm = LayerNorm(config.Width, config.LayerNormEps);
        RegisterComponents();
    }

    /// <summary>[R, *] and the residual [R, D] to [R, D].</summary>
    public Tensor Forward(Tensor x, Tensor residual_RD)
    {
        using var scope = NewDisposeScope();
        return LayerNorm.call(functional.dropout(dense.Apply(x), dropout, training).Plus(residual_RD)).MoveToOuterDisposeScope();
    }
}
