using Alpro.Model;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Training.Evaluation;

/// <summary>
/// Text-video retrieval (paper section 4.3) among videos that are encoded: every text is encoded once, and so is what the first fusion
/// layer makes of each side alone; then pairs are matched in chunks - all of them, or those that the contrastive score puts on a shortlist. Texts
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

    /// <summary>Takes the videos in and encodes the texts; matching follows with <see cref="Match"/>.</summary>
    /// <param name="model">The model, in evaluation mode from here on.</param>
    /// <param name="config">Sizes of the chunks, and the shortlist.</param>
    /// <param name="precision">Arithmetic.</param>
    /// <param name="videos">The videos, one lot after another; their tokens are disposed here.</param>
    /// <param name="texts">The texts.</param>
    /// <exception cref="NotANumberException">A contrastive score is not a number.</exception>
    public RetrievalEvaluator(AlproModel model, EvaluationConfig config, Precision precision, IEnumerable<EncodedVideos> videos, TokenizedTexts texts)
    {
        (_model, _config, _precision, _texts, _device) = (model, config, precision, texts, model.temp.device);
        model.eval();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor videos_VF = Take(videos);
        _textTokens = new ProjectedTokens[texts.Count];
        _order = [.. Enumerable.Range(0, texts.Count).OrderBy(text => texts.Counts[text])];
        Tensor texts_TF = EncodeTexts();
        float[] contrastive_TV = texts_TF.mm(videos_VF.t()).div(model.temp).cpu().data<float>().ToArray();
        NotANumberException.ThrowIfAny(contrastive_TV, pair => $"text {pair / _keys.Count} with video {_keys[pair % _keys.Count]}");
        Scores = new(_keys, contrastive_TV, new float[contrastive_TV.Length]);
        Array.Fill(Scores.Matching_TV, float.NaN);
        _wanted_TV = Shortlists(contrastive_TV);
    }

    /// <summary>The scores so far.</summary>
    public RetrievalScores Scores { get; }

    /// <summary>Pairs to match in all.</summary>
    public int Pairs => _wanted_TV.Count(wanted => wanted);

    /// <summary>The numbers of a stretch of texts, in order of length.</summary>
    public int[] Stretch(int first, int count) => _order[first..(first + count)];

    /// <summary>Matches all pairs of a stretch of texts (in order of length) with the videos on their shortlists.</summary>
    /// <param name="first">The first text.</param>
    /// <param name="count">How many.</param>
    /// <param name="stop">Gives up between two fusion passes.</param>
    /// <exception cref="NotANumberException">A probability is not a number.</exception>
    public void Match(int first, int count, CancellationToken stop = default)
    {
        using var noGrad = no_grad();
        using var autocast = _precision.Autocast(_device.type);
        int videos = _keys.Count;
        (int Text, int Video)[] pairs = [.. from text in Stretch(first, count)
                                           from video in Enumerable.Range(0, videos)
                                           where _wanted_TV[text * videos + video]
                                           select (text, video)];
        foreach ((int Text, int Video)[] chunk in pairs.Chunk(_config.PairBatchSize))
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            int[] texts = [.. chunk.Select(pair => pair.Text).Distinct()];
            int length = texts.Max(text => _texts.Counts[text]);
            Tensor rows = tensor([.. chunk.Select(pair => (long)Array.IndexOf(texts, pair.Text))]).to(_device);
            ProjectedTokens text_P = ProjectedTokens.Zip([.. texts.Select(text => _textTokens[text])], sides => stack([.. sides.Select(side => functional.pad(side, [0, 0, 0, length - side.shape[0]]))]).index_select(0, rows));
            Tensor mask_PL = _texts.Select(texts).Tensors(0, texts.Length, length, _device).Mask.index_select(0, rows);
            ProjectedTokens video_P = ProjectedTokens.Zip([.. chunk.Select(pair => _videoTokens[pair.Video])], sides => stack(sides));
            Tensor logits = _model.Match(text_P, mask_PL, video_P);
            float[] matches = logits.to(ScalarType.Float32).softmax(1).select(1, 1).cpu().data<float>().ToArray();
            NotANumberException.ThrowIfAny(matches, pair => $"text {chunk[pair].Text} with video {_keys[chunk[pair].Video]}");
            for (int i = 0; i < chunk.Length; i++) Scores.Matching_TV[chunk[i].Text * videos + chunk[i].Video] = matches[i];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ProjectedTokens tokens in _videoTokens.Concat(_textTokens))
            foreach (Tensor part in new[] { tokens.Tokens_BMD, tokens.Query_BMD, tokens.Key_BMD, tokens.Value_BMD }) part.Dispose();
    }

    /// <summary>Keeps what the first fusion layer makes of each video; their features [V, F].</summary>
    private Tensor Take(IEnumerable<EncodedVideos> videos)
    {
        var features = new List<Tensor>();
        foreach (EncodedVideos some in videos)
        {
            using var scope = NewDisposeScope();
            using var autocast = _precision.Autocast(_device.type);
            features.Add(some.Features_BF.to(_device).MoveToOuterDisposeScope());
            ProjectedTokens projected_B = _model.Encoder.Project(some.Tokens_BVD.to(_device));
            for (int i = 0; i < some.Keys.Count; i++) _videoTokens.Add(projected_B.Map(part => part.select(0, i).clone().DetachFromDisposeScope()));
            _keys.AddRange(some.Keys);
            some.Tokens_BVD.Dispose();                               // a thousand videos of the full size are 600 MB
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
            using var autocast = _precision.Autocast(_device.type);
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
