using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Tests.Support.Events;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;

namespace Alpro.Web.Tests;

/// <summary>
/// A small run with its page, which goes on until the tests of a class have ended; and beside it an earlier one, which has ended. Both
/// begin when they are first asked for.
/// </summary>
public sealed class WatchedRun : IAsyncLifetime
{
    private readonly SmallWorld _world = new();
    private readonly TemporaryFolder _out = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _starting = new(1, 1);
    private RunPage? _page;
    private Task _training = Task.CompletedTask;

    /// <summary>The report of the earlier run.</summary>
    public Uri Report => new(_out.File("earlier/report.html"));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _training;
        if (_page is not null) await _page.DisposeAsync();
        if (_page is not null) _world.Folder.Dispose();
        _out.Dispose();
        _stop.Dispose();
        _starting.Dispose();
    }

    /// <summary>Where the page is, when the run has begun.</summary>
    public async Task<Uri> BegunAsync()
    {
        await _starting.WaitAsync();
        try
        {
            return _page?.Address ?? await BeginAsync();
        }
        finally
        {
            _starting.Release();
        }
    }

    private async Task<Uri> BeginAsync()
    {
        await _world.InitializeAsync();
        SmallRun.Write(_out.File("earlier.json"), _world.Folder.Path, steps: 12);
        SmallRun.Write(_out.File("run.json"), _world.Folder.Path, steps: 1_000_000);
        string held = Path.Combine(_world.Folder.Path, "val"), validation = $$"""
            data.validation=[{"name":"held-out","annotations":"{{held}}/retrieval.jsonl","media":"{{held}}/videos"}]
            """.Trim();
        RunConfig earlier = ConfigLoader.Load(_out.File("earlier.json"), [validation]);
        var done = new RunHealth(trains: true, TimeProvider.System);
        await SmallRun.TrainAsync(earlier, _out.File("earlier"), watched: done.Watch);
        RunReport.Write(new(_out.File("earlier")));
        PageAddress.TryParse("127.0.0.1:0", out PageAddress? free);
        _page = await RunPage.OpenAsync(new(free, null, null), new(trains: true, TimeProvider.System), new EventCollector());
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _training = SmallRun.TrainAsync(ConfigLoader.Load(_out.File("run.json"), ["training.checkpointEvery=50"]), _out.File("run"),
            stepped: record =>
            {
                if (record.Step == 20) begun.TrySetResult();
            },
            disturb: (host, _) =>
            {
                host.Source = source => new UnhurriedClips(source, _stop.Token);
                return Task.CompletedTask;
            },
            watched: _page.Status.Watch, stop: _stop.Token);
        await await Task.WhenAny(begun.Task, _training);
        return _page.Address!;
    }

    /// <summary>Clips that take a while: a run as fast as it can be would take the browser's processors.</summary>
    private sealed class UnhurriedClips(IClipSource source, CancellationToken stop) : IClipSource
    {
        public Clip Load(ClipRequest request)
        {
            stop.WaitHandle.WaitOne(10);
            return source.Load(request);
        }

        public void Dispose() => source.Dispose();
    }
}
