using Alpro.Data.Batches;
using Alpro.Model;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Training.Evaluation;

/// <summary>The scores of every text with every video that could be read.</summary>
/// <param name="VideoKeys">The videos, V.</param>
/// <param name="Contrastive_TV">Contrastive scores [T, V].</param>
/// <param name="Matching_TV">Probability of a match [T, V]; NaN for pairs that were not matched.</param>
public sealed record RetrievalScores(IReadOnlyList<string> VideoKeys, float[] Contrastive_TV, float[] Matching_TV)
{
    /// <summary>Below every probability: pairs that were not matched come after all that were, in the order of their contrastive scores.</summary>
    private const float Behind = 1e6f;

    /// <summary>The figures of both directions.</summary>
    /// <param name="set">What belongs to what.</param>
    /// <param name="withMissing">Whether texts whose video could not be read count, as not found; else they are left out.</param>
    /// <param name="byContrast">Whether to rank by the contrastive scores alone, in place of the probability of a match.</param>
    public RetrievalMetrics Metrics(EvaluationSet set, bool withMissing, bool byContrast = false)
    {
        var numbers = VideoKeys.Select((key, number) => (key, number)).ToDictionary(video => video.key, video => video.number);
        int[] videoOfText_T = [.. set.VideoOfText.Select(video => numbers.GetValueOrDefault(set.VideoKeys[video], -1))];
        int[] texts = [.. Enumerable.Range(0, videoOfText_T.Length).Where(text => withMissing || videoOfText_T[text] >= 0)];
        int videos = VideoKeys.Count;
        float[] scores = new float[texts.Length * videos];
        for (int i = 0; i < texts.Length; i++)
            for (int v = 0, at = texts[i] * videos; v < videos; v++, at++)
                scores[i * videos + v] = byContrast ? Contrastive_TV[at] : float.IsNaN(Matching_TV[at]) ? Contrastive_TV[at] - Behind : Matching_TV[at];
        return RetrievalMetrics.Of(scores, videos, [.. texts.Select(text => videoOfText_T[text])]);
    }
}

/// <summary>
/// Text-video retrieval (paper section 4.3): every video and every text is encoded once, and so is what the first fusion layer makes
/// of each side alone; then pairs are matched in chunks - all of them, or those that the contrastive score puts on a shortlist. Texts
/// go by length, so that padding is not computed.
/// </summary>
public sealed class RetrievalEvaluator : IDisposable
{
    private readonly AlproModel _model;
    private readonly EvaluationConfig _config;
    private readonly Precision _precision;
    private readonly Device _device;
    private readonly TokenizedTexts _texts;
    private readonly int[] _order;                                   // texts by length
    private readonly List<ProjectedTokens> _videoTokens = [];        // [1 + N, D] each
    private readonly ProjectedTokens[] _textTokens;                  // [its ids, D] each
    private readonly List<string> _keys = [];
    private readonly bool[] _wanted_TV;

    /// <summary>Encodes the videos and texts; matching follows with <see cref="Match"/>.</summary>
    /// <param name="model">The model, in evaluation mode from here on.</param>
    /// <param name="config">Sizes of the chunks, and the shortlist.</param>
    /// <param name="precision">Arithmetic.</param>
    /// <param name="videos">Batches of one row per video; disposed here.</param>
    /// <param name="texts">The texts.</param>
    public RetrievalEvaluator(AlproModel model, EvaluationConfig config, Precision precision, IEnumerable<ClipBatch> videos, TokenizedTexts texts)
    {
        (_model, _config, _precision, _texts, _device) = (model, config, precision, texts, model.temp.device);
        model.eval();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor videos_VF = EncodeVideos(videos);
        _textTokens = new ProjectedTokens[texts.Count];
        _order = [.. Enumerable.Range(0, texts.Count).OrderBy(text => texts.Counts[text])];
        Tensor texts_TF = EncodeTexts();
        float[] contrastive_TV = texts_TF.mm(videos_VF.t()).div(model.temp).cpu().data<float>().ToArray();
        Scores = new(_keys, contrastive_TV, new float[contrastive_TV.Length]);
        Array.Fill(Scores.Matching_TV, float.NaN);
        _wanted_TV = Shortlists(contrastive_TV);
    }

    /// <summary>The scores so far.</summary>
    public RetrievalScores Scores { get; }

    /// <summary>Pairs to match in all.</summary>
    public int Pairs => _wanted_TV.Count(wanted => wanted);

    /// <summary>Matches all pairs of a stretch of texts (in order of length) with the videos on their shortlists.</summary>
    /// <param name="first">The first text.</param>
    /// <param name="count">How many.</param>
    public void Match(int first, int count)
    {
        using var noGrad = no_grad();
        using var autocast = Autocast.For(_precision, _device.type);
        int videos = _keys.Count;
        (int Text, int Video)[] pairs = [.. from text in Enumerable.Range(first, count).Select(place => _order[place])
                                           from video in Enumerable.Range(0, videos)
                                           where _wanted_TV[text * videos + video]
                                           select (text, video)];
        foreach ((int Text, int Video)[] chunk in pairs.Chunk(_config.PairBatchSize))
        {
            using var scope = NewDisposeScope();
            int[] texts = [.. chunk.Select(pair => pair.Text).Distinct()];
            int length = texts.Max(text => _texts.Counts[text]);
            Tensor rows = tensor([.. chunk.Select(pair => (long)Array.IndexOf(texts, pair.Text))]).to(_device);
            ProjectedTokens text_P = ProjectedTokens.Zip([.. texts.Select(text => _textTokens[text])], sides => stack([.. sides.Select(side => functional.pad(side, [0, 0, 0, length - side.shape[0]]))]).index_select(0, rows));
            Tensor mask_PL = _texts.Select(texts).Tensors(0, texts.Length, length, _device).Mask.index_select(0, rows);
            ProjectedTokens video_P = ProjectedTokens.Zip([.. chunk.Select(pair => _videoTokens[pair.Video])], sides => stack(sides));
            Tensor logits = _model.Match(text_P, mask_PL, video_P);
            float[] matches = logits.to(ScalarType.Float32).softmax(1).select(1, 1).cpu().data<float>().ToArray();
            for (int i = 0; i < chunk.Length; i++) Scores.Matching_TV[chunk[i].Text * videos + chunk[i].Video] = matches[i];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ProjectedTokens tokens in _videoTokens.Concat(_textTokens))
            foreach (Tensor part in new[] { tokens.Tokens_BMD, tokens.Query_BMD, tokens.Key_BMD, tokens.Value_BMD }) part.Dispose();
    }

    private Tensor EncodeVideos(IEnumerable<ClipBatch> batches)
    {
        using var tensors = new BatchTensors(_device, _model.Config.Vision.PatchSize);
        var features = new List<Tensor>();
        foreach (ClipBatch batch in batches)
        {
            using (batch)
            {
                using var scope = NewDisposeScope();
                using var autocast = Autocast.For(_precision, _device.type);
                (Tensor tokens_BVD, Tensor features_BF) = _model.EncodeVideo(tensors.Of(batch, 0, batch.Size).Video_BTCHW);
                features.Add(features_BF.to(ScalarType.Float32).MoveToOuterDisposeScope());
                ProjectedTokens projected_B = _model.Encoder.Project(tokens_BVD);
                for (int i = 0; i < batch.Size; i++) _videoTokens.Add(projected_B.Map(part => part.select(0, i).clone().DetachFromDisposeScope()));
                _keys.AddRange(batch.Keys);
            }
        }
        if (features.Count == 0) throw new InvalidOperationException("There is no video to retrieve.");
        return cat(features, 0);
    }

    /// <summary>Features [T, F] in the order of the texts.</summary>
    private Tensor EncodeTexts()
    {
        var features = new List<Tensor>();
        foreach (int[] chunk in _order.Chunk(_config.PairBatchSize))
        {
            using var scope = NewDisposeScope();
            using var autocast = Autocast.For(_precision, _device.type);
            (Tensor ids, Tensor mask) = _texts.Select(chunk).Tensors(0, chunk.Length, chunk.Max(text => _texts.Counts[text]), _device);
            (Tensor tokens_TLD, Tensor features_TF) = _model.EncodeText(ids, mask);
            ProjectedTokens projected_T = _model.Encoder.Project(tokens_TLD);
            for (int i = 0; i < chunk.Length; i++) _textTokens[chunk[i]] = projected_T.Map(part => part.select(0, i).narrow(0, 0, _texts.Counts[chunk[i]]).clone().DetachFromDisposeScope());
            features.Add(features_TF.to(ScalarType.Float32).MoveToOuterDisposeScope());
        }
        long[] places = new long[_order.Length];
        for (int i = 0; i < places.Length; i++) places[_order[i]] = i;
        return cat(features, 0).index_select(0, tensor(places).to(_device));
    }

    /// <summary>Which pairs are matched: all, or the best of each text and of each video by the contrastive score.</summary>
    private bool[] Shortlists(float[] contrastive_TV)
    {
        bool[] wanted = new bool[contrastive_TV.Length];
        int videos = _keys.Count, texts = _texts.Count;
        if (_config.Rerank is not { } keep)
        {
            Array.Fill(wanted, true);
            return wanted;
        }
        for (int t = 0; t < texts; t++)
            foreach (int v in Enumerable.Range(0, videos).OrderByDescending(v => contrastive_TV[t * videos + v]).Take(keep)) wanted[t * videos + v] = true;
        for (int v = 0; v < videos; v++)
            foreach (int t in Enumerable.Range(0, texts).OrderByDescending(t => contrastive_TV[t * videos + v]).Take(keep)) wanted[t * videos + v] = true;
        return wanted;
    }
}
