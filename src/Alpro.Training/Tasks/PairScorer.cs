using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>
/// Scores pairs of a text and a video among videos that are encoded. It encodes every text once, and computes once what the first fusion
/// layer makes of each side alone. Then it matches pairs in chunks: all of them, or those on a shortlist. Texts go by length, so that
/// padding is not computed. Both sides lie on the device, where a chunk takes its own by number. The scores of a stretch are read when all
/// of it is done: the device is never waited for before.
/// </summary>
internal sealed class PairScorer : IDisposable
{
    private static readonly Scalar _once = 1L;                        // the factor of a sum of whole numbers may be no fraction

    private readonly AlproModel _model;
    private readonly EvaluationConfig _config;
    private readonly Precision _precision;
    private readonly Device _device;
    private readonly TokenizedTexts _texts;
    private readonly int[] _order;                                   // texts by length
    private readonly ProjectedTokens _videoTokens;                   // [V, 1 + N, D]
    private readonly ProjectedTokens _textTokens;                    // [rows, D]: a row of zeros, then those of the texts
    private readonly long[] _textRows;                               // each text's first
    private readonly List<string> _keys = [];
    private readonly bool[] _wanted_TV;

    /// <summary>Takes the videos in and encodes the texts; matching follows with <see cref="Match"/>.</summary>
    /// <param name="model">The model, in evaluation mode from here on.</param>
    /// <param name="plan">The texts, sizes of the chunks, arithmetic.</param>
    /// <param name="videos">The videos, one lot after another; their tokens are disposed here.</param>
    /// <param name="wanted">Which pairs [T, V] are to be matched, by the plan and the contrastive scores.</param>
    /// <exception cref="NotANumberException">A contrastive score is not a number.</exception>
    public PairScorer(
        AlproModel model, EvaluationPlan plan, IEnumerable<EncodedVideos> videos, Func<EvaluationPlan, PairScores, bool[]> wanted)
    {
        TokenizedTexts texts = plan.Set.Texts;
        (_model, _config, _precision) = (model, plan.Config.Evaluation, plan.Config.Training.Precision);
        (_texts, _device) = (texts, model.temp.device);
        model.eval();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        (Tensor videos_VF, _videoTokens) = Take(videos);
        _textRows = new long[texts.Count];
        _order = [.. Enumerable.Range(0, texts.Count).OrderBy(text => texts.Counts[text])];
        (Tensor texts_TF, _textTokens) = EncodeTexts();
        float[] contrastive_TV = texts_TF.mm(videos_VF.t()).div(model.temp).cpu().data<float>().ToArray();
        NotANumberException.ThrowIfAny(contrastive_TV, pair => $"text {pair / _keys.Count} with video {_keys[pair % _keys.Count]}");
        Scores = new(_keys, contrastive_TV, new float[contrastive_TV.Length]);
        Array.Fill(Scores.Matching_TV, float.NaN);
        _wanted_TV = wanted(plan, Scores);
    }

    /// <summary>The scores so far.</summary>
    public PairScores Scores { get; }

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
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var autocast = _precision.Autocast(_device.type);
        int videos = _keys.Count;
        (int Text, int Video)[] pairs = [.. from text in Stretch(first, count)
                                           from video in Enumerable.Range(0, videos)
                                           where _wanted_TV[text * videos + video]
                                           select (text, video)];
        if (pairs.Length == 0) return;
        IEnumerable<long> rowsOf = pairs.Select(pair => _textRows[pair.Text]),
            counts = pairs.Select(pair => (long)_texts.Counts[pair.Text]);
        Tensor numbers_3P = OnDevice([.. rowsOf, .. counts, .. pairs.Select(pair => (long)pair.Video)]).view(3, pairs.Length);
        var matches = new List<Tensor>();
        int done = 0;
        foreach ((int Text, int Video)[] chunk in pairs.Chunk(_config.PairBatchSize))
        {
            stop.ThrowIfCancellationRequested();
            using var chunkScope = NewDisposeScope();
            int length = chunk.Max(pair => _texts.Counts[pair.Text]);
            Tensor[] numbers_P = numbers_3P.narrow(1, done, chunk.Length).unbind(0);
            Tensor places_1L = TensorOps.Range(0, length, _device).unsqueeze(0);
            Tensor mask_PL = places_1L.lt(numbers_P[1].unsqueeze(1)).to_type(ScalarType.Int64);
            // padding is the row of zeros
            Tensor rows = places_1L.add(numbers_P[0].unsqueeze(1), _once).mul(mask_PL).flatten();
            ProjectedTokens text_P = _textTokens.Map(part => part.index_select(0, rows).unflatten(0, chunk.Length, length));
            ProjectedTokens video_P = _videoTokens.Map(part => part.index_select(0, numbers_P[2]));
            matches.Add(_model.Match(text_P, mask_PL, video_P).to(ScalarType.Float32).softmax(1).select(1, 1).MoveToOuterDisposeScope());
            done += chunk.Length;
        }
        float[] scores = cat(matches, 0).cpu().data<float>().ToArray();                                  // the one wait of the stretch
        NotANumberException.ThrowIfAny(scores, pair => $"text {pairs[pair].Text} with video {_keys[pairs[pair].Video]}");
        for (int i = 0; i < pairs.Length; i++) Scores.Matching_TV[pairs[i].Text * videos + pairs[i].Video] = scores[i];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ProjectedTokens tokens in new[] { _videoTokens, _textTokens })
            foreach (Tensor part in new[] { tokens.Tokens_BMD, tokens.Query_BMD, tokens.Key_BMD, tokens.Value_BMD }) part.Dispose();
    }

    private Tensor OnDevice(long[] numbers) => BatchTensors.ToDevice(tensor(numbers), _device);

    /// <summary>What the first fusion layer makes of all videos, and their features [V, F].</summary>
    private (Tensor Features_VF, ProjectedTokens Tokens) Take(IEnumerable<EncodedVideos> videos)
    {
        var features = new List<Tensor>();
        var lots = new List<ProjectedTokens>();
        foreach (EncodedVideos some in videos)
        {
            using var scope = NewDisposeScope();
            using var autocast = _precision.Autocast(_device.type);
            features.Add(some.Features_BF.to(_device).MoveToOuterDisposeScope());
            lots.Add(_model.Encoder.Project(some.Tokens_BVD.to(_device).alias()).Map(part => part.MoveToOuterDisposeScope()));
            _keys.AddRange(some.Keys);
            some.Tokens_BVD.Dispose();                               // a thousand videos of the full size are 600 MB
        }
        if (features.Count == 0) throw new InvalidOperationException("There is no video to retrieve.");
        return (cat(features, 0), ProjectedTokens.Zip(lots, Join));
    }

    /// <summary>Features [T, F] in the order of the texts, and what the first fusion layer makes of them.</summary>
    private (Tensor Features_TF, ProjectedTokens Tokens) EncodeTexts()
    {
        var features = new List<Tensor>();
        var lots = new List<ProjectedTokens>();
        (Tensor ids_TL, Tensor mask_TL) = _texts.Select(_order).Tensors(0, _texts.Count, _texts.Length, _device);
        long row = 1;
        for (int done = 0; done < _order.Length; done += _config.PairBatchSize)
        {
            using var scope = NewDisposeScope();
            using var autocast = _precision.Autocast(_device.type);
            int first = done, count = Math.Min(_config.PairBatchSize, _order.Length - first),
                length = _texts.Counts[_order[first + count - 1]];
            (Tensor tokens_TLD, Tensor features_TF) = _model.EncodeText(Part(ids_TL), Part(mask_TL));
            lots.Add(_model.Encoder.Project(tokens_TLD).Map(part => part.flatten(0, 1).MoveToOuterDisposeScope()));
            features.Add(features_TF.to(ScalarType.Float32).MoveToOuterDisposeScope());
            for (int i = 0; i < count; i++, row += length) _textRows[_order[first + i]] = row;

            Tensor Part(Tensor all_TL) => all_TL.narrow(0, first, count).narrow(1, 0, length);
        }
        long[] places = new long[_order.Length];
        for (int i = 0; i < places.Length; i++) places[_order[i]] = i;
        Tensor all_TF = cat(features, 0).index_select(0, OnDevice(places));
        return (all_TF, ProjectedTokens.Zip(lots, parts => Join([zeros_like(parts[0].narrow(0, 0, 1)), .. parts])));
    }

    /// <summary>The parts one after the other, which are given back: there is never more than one of them twice.</summary>
    private static Tensor Join(Tensor[] parts)
    {
        Tensor joined = cat(parts, 0).DetachFromDisposeScope();
        foreach (Tensor part in parts) part.Dispose();
        return joined;
    }
}
