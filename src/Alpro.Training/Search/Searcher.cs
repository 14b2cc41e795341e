using System.Diagnostics;
using System.Globalization;
using System.Linq.Expressions;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using Alpro.Training.Tasks;
using Microsoft.Extensions.VectorData;
using static TorchSharp.torch;

namespace Alpro.Training.Search;

/// <summary>
/// Finds windows of an index by text, or by what is like them, and answers questions about them. It may be asked by many at once: the
/// models run on one thread of their own, the product of features on the caller's.
/// </summary>
public sealed class Searcher : IAsyncDisposable
{
    /// <summary>Windows that are looked at for each moment that is to be found: those of one moment are about equally similar.</summary>
    private const int CandidatesOfAMoment = 4;

    private static readonly DecodeLimits _limits = new();

    private readonly ModelThread _thread;
    private readonly LoadedModel _model;
    private readonly LoadedModel? _answers;
    private readonly float _temperature;

    private Searcher(SearchIndex index, ModelThread thread, LoadedModel model, LoadedModel? answers,
        IVectorSearchable<IndexedWindow>? store, float temperature)
    {
        (Index, _thread, _model, _answers, _temperature) = (index, thread, model, answers, temperature);
        Store = store ?? new WindowCollection(index, EncodeAsync);
    }

    /// <summary>The index, which the searcher does not dispose.</summary>
    public SearchIndex Index { get; }

    /// <summary>What windows are looked up in: the index itself, or a store that a program has put in its place.</summary>
    public IVectorSearchable<IndexedWindow> Store { get; }

    /// <summary>Whether texts can be matched with windows: the model has the head that tells.</summary>
    public bool CanMatch => Index.Manifest.Model.HasMatching;

    /// <summary>Whether it can be asked questions: a model that answers was given.</summary>
    public bool CanAnswer => _answers is not null;

    /// <summary>Loads the model of an index.</summary>
    /// <param name="index">The index; it must stay open as long as the searcher.</param>
    /// <param name="weights">The file of the weights, where it lies elsewhere than when the index was made; null for there.</param>
    /// <param name="answers">Configuration and weights of a model that answers questions; null for none.</param>
    /// <param name="store">A store that has the windows of the index, in place of the exact product; null for that.</param>
    /// <exception cref="DataException">The weights are not there, or not those that the index was made with.</exception>
    /// <exception cref="CheckpointException">The weights do not fit.</exception>
    public static async Task<Searcher> OpenAsync(SearchIndex index, string? weights = null,
        (RunConfig Config, string Weights)? answers = null, IVectorSearchable<IndexedWindow>? store = null)
    {
        RunConfig config = index.LoadConfig();
        IndexedModel made = index.Manifest.Model;
        string file = weights ?? made.Weights;
        if (!File.Exists(file)) throw new DataException(
            $"{file}: there is no such checkpoint, and the index {index.Folder} was made with it; name where it lies now");
        string hash = await Task.Run(() => Receipt.HashOf(file));
        if (hash != made.WeightHash) throw new DataException(
            $"{file}: holds other weights than the index {index.Folder} was made with ({made.Name}, SHA-256 {made.WeightHash[..12]}…); "
            + "index again, or name the file of those weights");
        var thread = new ModelThread("search", config.TorchThreads);
        try
        {
            return await thread.RunAsync(() =>
            {
                var model = LoadedModel.Load(config, file);
                LoadedModel? answering = null;
                try
                {
                    if (answers is var (of, from)) answering = LoadedModel.Load(of, from);
                    return new Searcher(index, thread, model, answering, store, model.Model.temp.cpu().item<float>());
                }
                catch
                {
                    answering?.Dispose();
                    model.Dispose();
                    throw;
                }
            });
        }
        catch
        {
            thread.Dispose();
            throw;
        }
    }

    /// <summary>The feature of a text [F], as those of the windows are: normalised.</summary>
    public Task<float[]> EncodeAsync(string text, CancellationToken stop = default) => _thread.RunAsync(() =>
    {
        using var noGrad = no_grad();
        using var autocast = _model.Config.Training.Precision.Autocast(_model.Device.type);
        TokenizedTexts texts = _model.Tokenize([text]);
        (Tensor ids, Tensor mask) = texts.Tensors(0, 1, texts.Counts[0], _model.Device);
        return _model.Model.TextFeatures(ids, mask).to(ScalarType.Float32).cpu().data<float>().ToArray();
    }, stop);

    /// <summary>Finds windows.</summary>
    /// <param name="query">What is looked for.</param>
    /// <param name="stop">Gives it up before the model is asked.</param>
    /// <exception cref="ArgumentException">The query names nothing, several things, or a window or file that is not there.</exception>
    public async Task<SearchResult> SearchAsync(SearchQuery query, CancellationToken stop = default)
    {
        int given = (query.Text is null ? 0 : 1) + (query.Window is null ? 0 : 1) + (query.File is null ? 0 : 1);
        if (given != 1) throw new ArgumentException("A query names a text, a window or a file: one of them.", nameof(query));
        long began = Stopwatch.GetTimestamp();
        float[] feature_F = query.Text is { } text ? await EncodeAsync(text, stop) : FeatureOf(query);
        if (Index.Count == 0) return new([], [], [], 0, 0);
        int rerank = query.Text is null || !CanMatch ? 0 : query.Rerank, wanted = Math.Max(query.Top, rerank);
        List<SearchHit> hits = await ShortlistAsync(feature_F, query, wanted, stop);
        double searched = Stopwatch.GetElapsedTime(began).TotalMilliseconds;

        began = Stopwatch.GetTimestamp();
        var problems = new List<string>();
        int matched = Math.Min(rerank, hits.Count);
        if (matched > 0)
        {
            double?[] matches = await MatchAsync(query.Text!, hits[..matched], problems, stop);
            hits = [.. hits.Select((hit, place) => place < matched ? hit with { Match = matches[place] } : hit)
                .OrderByDescending(hit => hit.Match ?? -1)];
        }
        return new([.. hits.Take(query.Top)], query.Text is { } asked ? _model.Tokenizer.UnknownWords(asked) : [], problems, searched,
            matched > 0 ? Stopwatch.GetElapsedTime(began).TotalMilliseconds : 0);
    }

    /// <summary>Answers a question about a window.</summary>
    /// <param name="window">Its number.</param>
    /// <param name="question">The question.</param>
    /// <param name="top">Answers to give, at most.</param>
    /// <param name="stop">Gives it up before the model is asked.</param>
    /// <exception cref="InvalidOperationException">There is no model that answers.</exception>
    /// <exception cref="UnreadableClipException">The window cannot be read again.</exception>
    public Task<AskedAnswers> AskAsync(int window, string question, int top = 5, CancellationToken stop = default)
    {
        Window asked = Index[window];
        return AskAsync(Index.File(asked.File), asked, question, top, stop);
    }

    /// <summary>Answers a question about a whole video; else as <see cref="AskAsync(int, string, int, CancellationToken)"/>.</summary>
    /// <param name="file">The number of the file.</param>
    /// <param name="question">The question.</param>
    /// <param name="top">Answers to give, at most.</param>
    /// <param name="stop">Gives it up before the model is asked.</param>
    public Task<AskedAnswers> AskFileAsync(int file, string question, int top = 5, CancellationToken stop = default)
    {
        IndexedFile asked = Index.File(file);
        return AskAsync(asked, new(-1, file, 0, asked.Info.FrameCount, 0, asked.Seconds), question, top, stop);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _thread.RunAsync(() =>
        {
            _model.Dispose();
            _answers?.Dispose();
            return true;
        });
        _thread.Dispose();
    }

    private delegate ReadOnlySpan<Half> HalvesOf(int window);

    /// <summary>The most similar windows, best first.</summary>
    private async Task<List<SearchHit>> ShortlistAsync(float[] feature_F, SearchQuery query, int wanted, CancellationToken stop)
    {
        int candidates = (int)Math.Clamp((long)wanted * (query.Overlapping ? 1 : CandidatesOfAMoment), 1, Index.Count);
        var options = new VectorSearchOptions<IndexedWindow> { Filter = FilterOf(query) };
        var hits = new List<SearchHit>();
        var moments = new Dictionary<int, List<Window>>();
        await foreach (VectorSearchResult<IndexedWindow> found in Store.SearchAsync<ReadOnlyMemory<float>>(feature_F, candidates, options,
            stop))
        {
            Window window = Index[found.Record.Number];
            if (!moments.TryGetValue(window.File, out List<Window>? taken)) moments[window.File] = taken = [];
            if (!query.Overlapping && taken.Exists(other => window.Start < other.End && window.End > other.Start)) continue;
            taken.Add(window);
            double similarity = found.Score ?? 0;
            hits.Add(new(window, Index.File(window.File), similarity, similarity / _temperature, null));
            if (hits.Count == wanted) break;
        }
        return hits;
    }

    /// <summary>The feature of a window, or the mean of those of a file.</summary>
    private float[] FeatureOf(SearchQuery query)
    {
        int width = Index.Manifest.Width;
        (int first, int count) = query.Window is { } window ? (window, 1) : Index.File(query.File!.Value) is var file
            ? (file.FirstWindow, file.WindowCount) : default;
        if (count == 0) throw new ArgumentException("Nothing of that file could be read.", nameof(query));
        float[] sum_F = new float[width];
        for (int number = first; number < first + count; number++)
        {
            ReadOnlySpan<Half> feature_F = Index.Feature(number);
            for (int i = 0; i < width; i++) sum_F[i] += (float)feature_F[i];
        }
        float norm = MathF.Sqrt(sum_F.Sum(value => value * value));
        return [.. sum_F.Select(value => value / norm)];
    }

    /// <summary>Which windows count: an expression, for stores that look for themselves; null for all.</summary>
    private Expression<Func<IndexedWindow, bool>>? FilterOf(SearchQuery query)
    {
        if (query is { Folder: null or "", MinSeconds: null, MaxSeconds: null, Window: null, File: null }) return null;
        string folder = query.Folder is { Length: > 0 } given ? given.TrimEnd('/') + '/' : "";
        (double least, double most) = (query.MinSeconds ?? 0, query.MaxSeconds ?? double.PositiveInfinity);
        Window? own = query.Window is { } number ? Index[number] : null;
        (int file, double begin, double end) = own is null ? (query.File ?? -1, 0, double.PositiveInfinity)
            : (own.File, own.Start, own.End);
        return window => window.Name.StartsWith(folder, StringComparison.Ordinal) && window.Seconds >= least && window.Seconds <= most
            && (window.File != file || window.Start >= end || window.End <= begin);
    }

    /// <summary>The probability of a match of a text with each of some windows; null where a window cannot be read again.</summary>
    private Task<double?[]> MatchAsync(string text, IReadOnlyList<SearchHit> hits, List<string> problems, CancellationToken stop) =>
        _thread.RunAsync(() =>
        {
            RunConfig config = _model.Config with { Evaluation = _model.Config.Evaluation with { Rerank = null } };
            var set = new EvaluationSet([], [], _model.Tokenize([text]), [0], [], []);
            double?[] matches = new double?[hits.Count];
            EncodedVideos[] videos = [.. Index.HasTokens ? [Stored(hits)] : Encode(hits, problems)];
            if (videos.Length == 0) return matches;
            using PairScorer scorer = new Retrieval().Scorer(_model.Model, new("index", config, set), videos);
            scorer.Match(0, 1, stop);
            for (int i = 0; i < scorer.Scores.VideoKeys.Count; i++)
                matches[int.Parse(scorer.Scores.VideoKeys[i], CultureInfo.InvariantCulture)] = scorer.Scores.Matching_TV[i];
            return matches;
        }, stop);

    /// <summary>Tokens and features that the index keeps.</summary>
    private EncodedVideos Stored(IReadOnlyList<SearchHit> hits)
    {
        return new([.. Enumerable.Range(0, hits.Count).Select(place => place.ToString(CultureInfo.InvariantCulture))],
            Of(Index.Tokens, Index.Manifest.Tokens!), Of(Index.Feature, [Index.Manifest.Width]));

        Tensor Of(HalvesOf halvesOf, int[] shape)
        {
            int length = shape.Aggregate(1, static (product, size) => product * size);
            float[] values = new float[hits.Count * length];
            for (int hit = 0; hit < hits.Count; hit++)
            {
                ReadOnlySpan<Half> halves = halvesOf(hits[hit].Window.Number);
                for (int i = 0; i < length; i++) values[hit * length + i] = (float)halves[i];
            }
            return tensor(values, [hits.Count, .. shape.Select(size => (long)size)]);
        }
    }

    /// <summary>Windows that are decoded and encoded again.</summary>
    private IEnumerable<EncodedVideos> Encode(IReadOnlyList<SearchHit> hits, List<string> problems)
    {
        var reader = new WindowReader(_model.Config.Data.Clip, _model.Tokenizer, _limits);
        return EncodedVideos.Of(_model.Model, _model.Config.Training.Precision, reader.Read(
            [.. hits.Select(hit => (hit.File, hit.Window))], _model.Config.Evaluation.BatchSize, (place, problem) =>
            {
                lock (problems) problems.Add($"{hits[place].File.Name}: {problem.Finding}");
            }));
    }

    private Task<AskedAnswers> AskAsync(IndexedFile file, Window window, string question, int top, CancellationToken stop)
    {
        if (_answers is not { } model) throw new InvalidOperationException("No model that answers questions was given.");
        return _thread.RunAsync(() =>
        {
            UnreadableClipException? problem = null;
            var reader = new WindowReader(model.Config.Data.Clip, model.Tokenizer, _limits);
            ClipBatch? clip = reader.Read([(file, window)], 1, (_, found) => problem = found).FirstOrDefault();
            if (clip is null) throw problem!;
            SeenFrame[] frames = [.. reader.FramesOf(file, window).Select((frame, place) => new SeenFrame(
                file.Info.FrameRate > 0 ? frame / file.Info.FrameRate : 0, Picture(clip, place, file.Info)))];
            var set = new EvaluationSet([clip.Keys[0]], [0], model.Tokenize([question]), [0], [], []) { Labels = model.Labels };
            var plan = new EvaluationPlan(file.Name, model.Config, set);
            TextPrediction given = plan.Task.Predict(model.Model, plan, clip, top)[0];           // disposes the clip
            return new AskedAnswers([.. given.Answers.Select(answer => new ProbableAnswer(answer.Answer, answer.Probability))],
                model.Tokenizer.UnknownWords(question), frames);
        }, stop);
    }

    /// <summary>A frame of a batch's first clip.</summary>
    private static byte[] Picture(ClipBatch clip, int frame, VideoInfo info)
    {
        int bytes = clip.Side * clip.Side * 3;
        return FramePicture.Jpeg(clip.Pixels_BTHWC.Slice(frame * bytes, bytes), clip.Side, info.Width, info.Height);
    }

    /// <summary>A model that is in memory, and what texts and clips for it are made with.</summary>
    private sealed record LoadedModel(RunConfig Config, AlproModel Model, CaptionTokenizer Tokenizer,
        IReadOnlyDictionary<string, int>? Labels) : IDisposable
    {
        public Device Device => Model.temp.device;

        public static LoadedModel Load(RunConfig config, string weights)
        {
            var tokenizer = new CaptionTokenizer(config.Data.Vocabulary);
            IReadOnlyDictionary<string, int>? labels = AnswerLabels.Read(config);
            AlproModel model = RunModel.Load(config, weights, RunModel.DefaultDevice);
            model.eval();
            foreach (Tensor weight in model.state_dict().Values) weight.DetachFromDisposeScope();    // it outlives the loading
            return new(config, model, tokenizer, labels);
        }

        public TokenizedTexts Tokenize(IReadOnlyList<string> texts) => TokenizedTexts.Encode(Tokenizer, texts, Config.Data.Clip.TextLength);

        public void Dispose() => Model.Dispose();
    }
}
