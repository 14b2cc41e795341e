using System.Runtime.InteropServices;
using Akka.Actor;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Data.Batches;
using Alpro.Tests.Support.Events;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>Evaluators share the work, die, and are stopped; the results are those of one that had no trouble.</summary>
public sealed class EvaluationJobTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly EventCollector _said = new();

    public void Dispose() => _out.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Any_number_of_evaluators_finds_the_same(int evaluators)
    {
        await using RunHost host = await HostAsync(evaluators);
        EvaluationResult result = await Job(runs.Retrieval, "out").RunAsync(host, default);
        Assert.Equal(await UndisturbedAsync(runs.Retrieval), Results(result.Folder));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Killed_evaluators_lose_nothing(bool answering)
    {
        string folder = answering ? runs.QuestionAnswering : runs.Retrieval;
        await using RunHost host = await HostAsync(evaluators: 2);
        (EvaluationSupervisor.Work work, RunData data) = Work(host, folder);
        using RunData opened = data;
        var read = new List<int>();
        int failures = 0, kills = 0;
        ReadVideos reading = work.Read;
        work = work with
        {
            // The first share fails while its videos are read, and one evaluator is killed between two shares.
            Read = (videos, missing) =>
            {
                lock (read) read.AddRange(videos);
                return Interlocked.Increment(ref failures) == 1 ? throw new InvalidOperationException("the device has gone")
                    : reading(videos, missing);
            },
            Progressed = _ =>
            {
                if (Interlocked.Increment(ref kills) == 1) host.System.ActorSelection("/user/evaluation-1/evaluator-1").Tell(Kill.Instance);
            },
        };
        await host.EvaluateAsync(work, default);

        Assert.Contains(Deaths, death => "the device has gone".Equals(death.Fields["Reason"]));
        Assert.Equal(Enumerable.Range(0, 12), read.Distinct().Order());
        Assert.InRange(read.Count, 13, 12 + 3 * 4);                  // the shares of the dead, and no other, are read again
        work.Plan.Task.Read(work.Plan, work.Results).Write(_out.Path);
        Assert.Equal(await UndisturbedAsync(folder), Results(_out.Path));
    }

    [Fact]
    public async Task What_always_fails_ends_with_its_reason()
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        (EvaluationSupervisor.Work work, RunData data) = Work(host, runs.Retrieval);
        using RunData opened = data;
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => host.EvaluateAsync(work with { Read = (_, _) => throw new InvalidOperationException("the device has gone") }, default));
        Assert.Equal("the device has gone", failure.Message);
        Assert.Equal(host.Settings.MaxRestarts, Deaths.Count);
    }

    [Fact]
    public async Task A_lost_device_is_told_before_anything_is_given_back_and_spends_no_restart()
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        (EvaluationSupervisor.Work work, RunData data) = Work(host, runs.Retrieval);
        using RunData opened = data;
        var lost = new List<Exception>();
        bool unwound = false;
        var failure = await Assert.ThrowsAsync<ExternalException>(
            () => host.EvaluateAsync(work with { Read = (_, _) => Fail(), DeviceLost = error =>
        {
            Assert.False(unwound);
            lost.Add(error);
        } }, default));
        Assert.Same(Assert.Single(lost), failure);
        Assert.Empty(Deaths);

        IEnumerable<ClipBatch> Fail()
        {
            try
            {
                throw new ExternalException("CUDA error: unspecified launch failure");
            }
            finally
            {
                unwound = true;
            }
        }
    }

    [Fact]
    public async Task An_evaluation_that_the_memory_does_not_hold_names_the_settings_that_take_less()
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        (EvaluationSupervisor.Work work, RunData data) = Work(host, runs.Retrieval);
        using RunData opened = data;
        var failure = await Assert.ThrowsAsync<DeviceMemoryException>(() => host.EvaluateAsync(
            work with { Read = (_, _) => throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore") }, default));
        Assert.Contains("evaluation.pairBatchSize", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("libtorch says: CUDA out of memory. Tried to allocate 2.00 GiB.", failure.Message, StringComparison.Ordinal);
        Assert.Empty(Deaths);
    }

    [Fact]
    public async Task A_stopped_evaluation_goes_on_where_it_stopped()
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        using var stop = new CancellationTokenSource();
        EvaluationJob job = Job(runs.Retrieval, "out");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => (job with { Progressed = _ => stop.Cancel() }).RunAsync(host, stop.Token));
        string partial = Assert.Single(Directory.EnumerateDirectories(_out.File("out")));
        string[] finished = Directory.GetFiles(partial);
        Assert.NotEmpty(finished);
        DateTime written = File.GetLastWriteTimeUtc(finished[0]);

        var progress = new List<double>();
        EvaluationResult result = await (job with
        {
            Progressed = done =>
            {
                progress.Add(done);
                if (File.Exists(finished[0])) Assert.Equal(written, File.GetLastWriteTimeUtc(finished[0]));
            },
        }).RunAsync(host, default);
        Assert.Single(_said.Of(nameof(ActorEvents.EvaluationContinues)));
        Assert.True(progress[0] > 1.0 / 4 && progress.Count < 4, $"{progress.Count} shares were done");
        Assert.Equal(await UndisturbedAsync(runs.Retrieval), Results(result.Folder));
    }

    [Fact]
    public async Task Partial_results_of_other_settings_are_not_used()
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => (Job(runs.Retrieval, "out") with { Progressed = _ => stop.Cancel() }).RunAsync(host, stop.Token));
        EvaluationResult result = await Job(runs.Retrieval, "out", "evaluation.rerank=2").RunAsync(host, default);
        Assert.Empty(_said.Of(nameof(ActorEvents.EvaluationContinues)));
        Assert.Equal((2, 4), (result.Receipt.Rerank!.Value, result.Receipt.Rounding!.Value));
        Assert.Contains("\"score\":null", Results(result.Folder));
    }

    private IReadOnlyList<CollectedEvent> Deaths => _said.Of(nameof(ActorEvents.EvaluatorDied));

    private Task<RunHost> HostAsync(int evaluators) =>
        RunHost.StartAsync(adjust: settings => settings with { Decoders = 2, Evaluators = evaluators }, log: _said);

    private EvaluationJob Job(string run, string folder, params string[] settings) =>
        new(EvaluationTarget.Open(run, null, null, settings), Test: true, Data: null, _out.File(folder));

    private static string Results(string folder) => File.ReadAllText(Path.Combine(folder, "results.json"));

    private async Task<string> UndisturbedAsync(string run)
    {
        await using RunHost host = await HostAsync(evaluators: 1);
        return Results((await Job(run, "undisturbed").RunAsync(host, default)).Folder);
    }

    private (EvaluationSupervisor.Work Work, RunData Data) Work(RunHost host, string folder)
    {
        EvaluationTarget target = EvaluationTarget.Open(folder, null, null, []);
        RunConfig config = target.For(target.CorpusOf(test: true).Corpus, null);
        var data = new RunData(config, host.Settings);
        EvaluationSet set = data.EvaluationSet();
        return (new(new("", config, set), target.Weights, host.Videos(config, data, set), new PartialResults(_out.File("shares"))), data);
    }
}
