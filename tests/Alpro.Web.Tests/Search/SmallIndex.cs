using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;
using Alpro.Data.Synthetic;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Events;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Search;
using Alpro.Web.Search;
using TorchSharp;

namespace Alpro.Web.Tests.Search;

/// <summary>
/// An index of six clips of two seconds in four windows each, made with an untrained model; another untrained model answers questions. Its
/// page is open for all tests. One file has the name of an attack, one has gone since, one is another by now.
/// </summary>
[CollectionDefinition(Name)]
public sealed class SmallIndex : IAsyncLifetime, ICollectionFixture<SmallIndex>
{
    public const string Name = "a small index", First = "first/0.mp4", Changed = "first/changed.mp4", Gone = "second/gone.mp4",
        Hostile = "second/<img src=x onerror=window.hacked=1>.mp4", Secret = "what no visitor may see";

    public const int Videos = 6, OfEach = 4, Moments = Videos * OfEach;

    private static readonly string[] _names =
        [First, Changed, "first/below/2.mp4", Hostile, Gone, "second/\"'&lt;{{7*7}}.mp4"];

    private readonly TemporaryFolder _folder = new();
    private AnsweringModel _answers = null!;

    /// <summary>What the page logged.</summary>
    internal EventCollector Log { get; } = new();

    /// <summary>The page, which this machine alone reaches.</summary>
    public SearchPage Page { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var world = new SyntheticWorldSettings { Clips = 2, TestClips = Videos, Seed = 4 };
        await SyntheticWorld.CreateAsync(_folder.File("world"), world, null, CancellationToken.None);
        string[] clips = [.. Directory.EnumerateFiles(_folder.File("world/test/videos"))];
        foreach ((string name, string clip) in _names.Zip(clips))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(File(name))!);
            System.IO.File.Copy(clip, File(name));
        }
        foreach (string outside in new[] { _folder.File("secret.mp4"), File("first/notes.txt") })
            await System.IO.File.WriteAllTextAsync(outside, Secret);
        (RunConfig retrieval, string weights) = Save(LearningTask.Retrieval);
        (RunConfig answering, string answers) = Save(LearningTask.QuestionAnswering);
        _answers = new("qa", answering, answers);
        await using (RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }))
            await new IndexJob(new(new EvaluationTarget(_folder.Path, weights, retrieval), _folder.File("videos")),
                new WindowSettings { Seconds = 0.5, Stride = 0.5 }, _folder.File("index")).RunAsync(host, CancellationToken.None);
        System.IO.File.Delete(File(Gone));
        await System.IO.File.AppendAllTextAsync(File(Changed), Secret);
        Page = await OpenAsync();
    }

    public async Task DisposeAsync()
    {
        await Page.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>Opens another page of the index.</summary>
    public Task<SearchPage> OpenAsync(bool answers = true, string? token = null) => SearchPage.OpenAsync(new(PageAddress.Free, token, null),
        _folder.File("index"), weights: null, answers ? _answers : null, Log);

    /// <summary>The path of a video.</summary>
    public string File(string name) => _folder.File(Path.Combine("videos", name));

    private (RunConfig Config, string Weights) Save(LearningTask task)
    {
        RunConfig config = new()
        {
            Task = task,
            Seed = 9,
            TorchThreads = 1,
            Model = new()
            {
                Vision = new() { ImageSize = 32, PatchSize = 16, Frames = 2, Width = 32, Depth = 1, Heads = 2 },
                Text = new()
                {
                    VocabularySize = 174,
                    Width = 32,
                    Layers = 2,
                    FusionLayer = 1,
                    Heads = 2,
                    IntermediateSize = 64,
                    MaxPositions = 32,
                },
                ProjectionWidth = 16,
                Answers = 28,
            },
            Data = new()
            {
                Corpora = [new() { Name = "world", Annotations = "none" }],
                Vocabulary = _folder.File("world/vocab.txt"),
                Answers = task == LearningTask.QuestionAnswering ? _folder.File("world/qa/train_ans2label.json") : null,
                Clip = new() { Frames = 2, DecodeSize = 32, Size = 32, TextLength = 16 },
            },
        };
        string weights = _folder.File($"{task}.safetensors");
        using AlproModel model = RunModel.Create(config, torch.CPU);
        StateDict.Save(model, weights);
        return (config, weights);
    }
}
