using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Alpro.Data.Clips;
using Alpro.Data.Corpus;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Training;
using Alpro.Training.Evaluation;

namespace Alpro.Actors;

/// <summary>What a run reads: its corpora, its tokenizer, and the sources that make clips of them.</summary>
public sealed class RunData : IDisposable
{
    private const int RowsCompared = 64;

    private readonly RunConfig _config;
    private readonly ActorSettings _settings;

    /// <summary>Opens the training corpora of a run, or those that are given in their place.</summary>
    /// <exception cref="CorpusException">A corpus cannot be opened; all that cannot are named.</exception>
    public RunData(RunConfig config, ActorSettings settings, IReadOnlyList<CorpusConfig>? corpora = null)
    {
        (_config, _settings) = (config, settings);
        Tokenizer = new(config.Data.Vocabulary);
        Answers = ReadAnswers(config);
        var opened = new List<VideoTextCorpus>();
        var problems = new List<string>();
        foreach (CorpusConfig corpus in corpora ?? config.Data.Corpora)
        {
            try
            {
                opened.Add(VideoTextCorpus.Open(corpus, Directory.GetCurrentDirectory()));
            }
            catch (CorpusException problem)
            {
                problems.Add(problem.Message);
            }
        }
        Corpora = opened;
        if (problems.Count == 0) return;
        Dispose();
        throw new CorpusException(string.Join(Environment.NewLine, problems));
    }

    /// <summary>The corpora, in the order of the configuration.</summary>
    public IReadOnlyList<VideoTextCorpus> Corpora { get; }

    /// <summary>The tokenizer; safe to share.</summary>
    public CaptionTokenizer Tokenizer { get; }

    /// <summary>Labels of the answers, for question answering.</summary>
    public IReadOnlyDictionary<string, int>? Answers { get; }

    /// <summary>What should be said of answers that have no label, corpus by corpus: the model learns nothing from their rows.</summary>
    public IEnumerable<string> UnlabelledAnswers()
    {
        if (Answers is null) yield break;
        foreach (VideoTextCorpus corpus in Corpora)
        {
            string[] unlabelled = [.. Enumerable.Range(0, (int)corpus.Count).Select(row => corpus[row].Answer ?? "").Where(answer => !Answers.ContainsKey(answer))];
            if (unlabelled.Length > 0)
                yield return $"{corpus.Name}: the answers of {unlabelled.Length:N0} of {corpus.Count:N0} rows are none of the labels, and teach nothing: "
                    + string.Join(", ", unlabelled.Distinct().Take(10).Select(answer => $"\"{answer}\""));
        }
    }

    /// <summary>The order of the training rows.</summary>
    public SamplingPlan Plan() =>
        new([.. Corpora.Select(corpus => corpus.Count)], _config.Training.BatchSize, _config.Seed, [.. Corpora.Select(corpus => corpus.Name)]);

    /// <summary>What the first corpus asks of a downstream model: its videos and its texts.</summary>
    public EvaluationSet EvaluationSet() => Alpro.Training.Evaluation.EvaluationSet.Of(Corpora[0], Tokenizer, _config.Data.ClipForEvaluation().TextLength, Answers);

    /// <summary>Opens a source of clips, one for each decoder.</summary>
    public IClipSource OpenSource(ClipSettings clips)
    {
        var limits = new DecodeLimits { Deadline = _settings.DecodeDeadline };
        IFrameReader reader = _settings.IsolateDecoders ? new IsolatedFrameReader(limits, WorkerCommand.ThisProgram("decode-worker")) : FrameReaders.Create(limits);
        return new ClipLoader(Corpora, clips, Tokenizer, reader, Answers);
    }

    /// <summary>
    /// What decides a clip, apart from its request: two processes that describe their data alike make the same clips, bit for bit. Of each
    /// corpus some rows are compared, spread over all of it, and not every one.
    /// </summary>
    public IReadOnlyDictionary<string, string> Describe()
    {
        var described = new Dictionary<string, string>
        {
            ["data.clip"] = JsonSerializer.Serialize(_config.Data.Clip),
            ["data.vocabulary"] = HashOf(File.ReadAllBytes(_config.Data.Vocabulary)),
            ["decoder"] = NativeDecoder.Version ?? "the ffmpeg command",
        };
        if (_config.Data.Answers is { } answers) described["data.answers"] = HashOf(File.ReadAllBytes(answers));
        for (int number = 0; number < Corpora.Count; number++)
        {
            VideoTextCorpus corpus = Corpora[number];
            long compared = Math.Min(RowsCompared, corpus.Count);
            IEnumerable<string> rows = Enumerable.Range(0, (int)compared).Select(sample =>
            {
                VideoTextPair pair = corpus[(corpus.Count - 1) * sample / Math.Max(1, compared - 1)];
                return JsonSerializer.Serialize(new { pair.Row, pair.Key, pair.Kind, pair.Captions, pair.Answer });
            });
            described[$"data.corpora[{number}]"] = $"{corpus.Name}, {corpus.Count} rows, {HashOf(Encoding.UTF8.GetBytes(string.Join('\n', rows)))}";
        }
        return described;
    }

    private static string HashOf(byte[] bytes) => Convert.ToHexString(XxHash128.Hash(bytes));

    /// <summary>The labels of a run's answers; null where it has none.</summary>
    /// <exception cref="CorpusException">The file is no list of labels, or one of another model.</exception>
    internal static IReadOnlyDictionary<string, int>? ReadAnswers(RunConfig config)
    {
        if (config.Data.Answers is not { } file) return null;
        int labels = config.Model.Answers;
        try
        {
            var answers = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(file))!;
            if (answers.FirstOrDefault(answer => answer.Value < 0 || answer.Value >= labels) is { Key: { } odd } wrong)
                throw new CorpusException($"{file}: the answer \"{odd}\" has the label {wrong.Value}, and the model has model.answers = {labels}: they do not belong together");
            return answers;
        }
        catch (JsonException error)
        {
            throw new CorpusException($"{file}: not a JSON object from answers to labels: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VideoTextCorpus corpus in Corpora) corpus.Dispose();
    }
}
