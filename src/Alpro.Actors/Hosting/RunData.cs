using System.IO.Hashing;
using System.Text.Json;
using Alpro.Data;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Hosting;

/// <summary>What a run reads: its corpora, its tokenizer, and the sources that make clips of them.</summary>
public sealed class RunData : IDisposable
{
    private readonly RunConfig _config;
    private readonly ActorSettings _settings;
    private readonly IReadOnlyList<CorpusConfig> _configured;
    private readonly SemaphoreSlim _processors;

    /// <summary>Opens the training corpora of a run, or those that are given in their place.</summary>
    /// <exception cref="DataException">A corpus cannot be opened; all that cannot are named.</exception>
    public RunData(RunConfig config, ActorSettings settings, IReadOnlyList<CorpusConfig>? corpora = null)
    {
        (_config, _settings, _configured) = (config, settings, corpora ?? config.Data.Corpora);
        _processors = new(Math.Max(1, settings.Decoders));
        Tokenizer = new(config.Data.Vocabulary);
        Answers = AnswerLabels.Read(config);
        var opened = new List<VideoTextCorpus>();
        var problems = new List<string>();
        foreach (CorpusConfig corpus in _configured)
        {
            try
            {
                opened.Add(VideoTextCorpus.Open(corpus, Directory.GetCurrentDirectory(), settings.Places));
            }
            catch (DataException exception)
            {
                problems.Add(exception.Message);
            }
        }
        Corpora = opened;
        if (problems.Count == 0) return;
        Dispose();
        throw new DataException(string.Join(Environment.NewLine, problems));
    }

    /// <summary>What is read of one corpus that no configuration names; it is disposed with this.</summary>
    internal RunData(RunConfig config, ActorSettings settings, VideoTextCorpus corpus, CaptionTokenizer tokenizer)
    {
        (_config, _settings, _configured, Corpora, Tokenizer) = (config, settings, [], [corpus], tokenizer);
        _processors = new(Math.Max(1, settings.Decoders));
    }

    /// <summary>The corpora, in the order of the configuration.</summary>
    public IReadOnlyList<VideoTextCorpus> Corpora { get; }

    /// <summary>The tokenizer; safe to share.</summary>
    public CaptionTokenizer Tokenizer { get; }

    /// <summary>Labels of the answers, for question answering.</summary>
    public IReadOnlyDictionary<string, int>? Answers { get; }

    /// <summary>What clips may name by number.</summary>
    public ClipNumbers Numbers => new(Tokenizer.VocabularySize, Answers is null ? 0 : _config.Model.Answers);

    /// <summary>Names answers that have no label, corpus by corpus: the model learns nothing from their rows.</summary>
    internal void NameUnlabelledAnswers(ILogger log)
    {
        if (Answers is null) return;
        foreach (VideoTextCorpus corpus in Corpora)
        {
            string[] unlabelled = [.. Enumerable.Range(0,
                (int)corpus.Count).Select(row => corpus[row].Answer ?? "").Where(answer => !Answers.ContainsKey(answer))];
            if (unlabelled.Length > 0)
                log.AnswersUnlabelled(
                    corpus.Name, unlabelled.Length, corpus.Count,
                    string.Join(", ", unlabelled.Distinct().Take(10).Select(answer => $"\"{answer}\"")));
        }
    }

    /// <summary>The order of the training rows.</summary>
    public SamplingPlan Plan() =>
        new([.. Corpora.Select(corpus => corpus.Count)], _config.Training.BatchSize, _config.Seed,
        [.. Corpora.Select(corpus => corpus.Name)], [.. _configured.Select(corpus => corpus.Weight)]);

    /// <summary>What the first corpus asks of a downstream model: its videos and its texts.</summary>
    public EvaluationSet EvaluationSet() => Alpro.Training.Evaluation.EvaluationSet.Of(Corpora[0], Tokenizer,
        _config.Data.ClipForEvaluation().TextLength, Answers);

    /// <summary>The rows of the first corpus on which a run under pretraining is validated.</summary>
    public long ValidationRows => Math.Min(Corpora[0].Count, _config.Evaluation.MaxClips ?? long.MaxValue);

    /// <summary>Refuses a corpus on which the run could not be validated when that is due.</summary>
    /// <exception cref="DataException">It has too few rows.</exception>
    public void RequireValidation()
    {
        if (_config.Task is LearningTask.Pretrain or LearningTask.Prompter && ValidationRows < 2)
            throw new DataException($"corpus {Corpora[0].Name}: {ValidationRows} of its {Corpora[0].Count} rows are for validation "
                + "(evaluation.maxClips); expected 2 at least, for each clip is told apart from others");
    }

    /// <summary>
    /// Clips that are in hand for each decoder: more where media lie in a store, so that it decodes while others are fetched.
    /// </summary>
    public int ClipsPerDecoder => Corpora.Any(corpus => corpus.IsStored) ? _settings.ClipsPerDecoder : 1;

    /// <summary>Opens a source of clips, one for each that is in hand; as many compute at once as there are decoders.</summary>
    public IClipSource OpenSource(ClipSettings clips)
    {
        var limits = new DecodeLimits { Deadline = _settings.DecodeDeadline, Places = _settings.Places };
        IFrameReader reader = FrameReaders.Create(limits,
            _settings.IsolateDecoders ? WorkerCommand.ThisProgram(DecodeWorker.CommandName) : null);
        return new ClipLoader(Corpora, clips, Tokenizer, reader, Answers, ClipsPerDecoder > 1 ? _processors : null);
    }

    /// <summary>
    /// What the files say that decide a clip, by their settings: whoever finds the same in them, wherever they lie, trains on the same
    /// clips.
    /// </summary>
    public IReadOnlyDictionary<string, string> Contents()
    {
        var contents = new Dictionary<string, string> { ["data.vocabulary"] = HashOf(_config.Data.Vocabulary) };
        if (_config.Data.Answers is { } answers) contents["data.answers"] = HashOf(answers);
        for (int number = 0; number < Corpora.Count; number++)
        {
            VideoTextCorpus corpus = Corpora[number];
            contents[$"data.corpora[{number}]"] = $"{corpus.Count} rows, of the hash {corpus.Content}";
        }
        return contents;
    }

    /// <summary>
    /// What decides a clip, apart from its request: two processes that describe their data alike make the same clips, bit for bit.
    /// </summary>
    public IReadOnlyDictionary<string, string> Describe() => new Dictionary<string, string>(Contents())
    {
        ["data.clip"] = JsonSerializer.Serialize(_config.ClipForTraining()),
        ["decoder"] = NativeDecoder.Version ?? "the ffmpeg command",
    };

    private static string HashOf(string file) => Convert.ToHexStringLower(XxHash128.Hash(File.ReadAllBytes(file)));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VideoTextCorpus corpus in Corpora) corpus.Dispose();
        _processors.Dispose();
    }
}
