using System.Text.Json;
using Alpro.Data.Clips;
using Alpro.Data.Corpus;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Training;

namespace Alpro.Actors;

/// <summary>What a run reads: its corpora, its tokenizer, and the sources that make clips of them.</summary>
public sealed class RunData : IDisposable
{
    private readonly RunConfig _config;
    private readonly ActorSettings _settings;

    /// <summary>Opens the training corpora of a run, or those that are given in their place.</summary>
    /// <exception cref="CorpusException">A corpus cannot be opened; all that cannot are named.</exception>
    public RunData(RunConfig config, ActorSettings settings, IReadOnlyList<CorpusConfig>? corpora = null)
    {
        (_config, _settings) = (config, settings);
        Tokenizer = new(config.Data.Vocabulary);
        Answers = config.Data.Answers is { } answers ? JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(answers)) : null;
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

    /// <summary>The order of the training rows.</summary>
    public SamplingPlan Plan() =>
        new([.. Corpora.Select(corpus => corpus.Count)], _config.Training.BatchSize, _config.Seed, [.. Corpora.Select(corpus => corpus.Name)]);

    /// <summary>Opens a source of clips, one for each decoder.</summary>
    public IClipSource OpenSource(ClipSettings clips)
    {
        var limits = new DecodeLimits { Deadline = _settings.DecodeDeadline };
        IFrameReader reader = _settings.IsolateDecoders ? new IsolatedFrameReader(limits, WorkerCommand.ThisProgram("decode-worker")) : FrameReaders.Create(limits);
        return new ClipLoader(Corpora, clips, Tokenizer, reader, Answers);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VideoTextCorpus corpus in Corpora) corpus.Dispose();
    }
}
