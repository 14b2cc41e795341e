using Alpro.Actors.Runs;
using Alpro.Data.Corpora;
using Alpro.Data.Places;
using Alpro.Tests.Support.Runs;
using Alpro.Tests.Support.Stores;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Runs;

/// <summary>Whole runs whose clips lie in a store that fails.</summary>
public sealed class StoredRunTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private const int Steps = 12;

    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    private double[] Losses(string folder) =>
        [.. RunLog.Read<StepRecord>(new RunFolder(_out.File(folder)).Steps).Select(record => record.Loss)];

    [Fact]
    public async Task Losses_are_those_of_a_disk_while_requests_fail_and_the_store_dies_and_comes_back()
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, Steps);
        RunConfig disk = ConfigLoader.Load(_out.File("config.json"));
        await SmallRun.TrainAsync(disk, _out.File("disk"));

        using var server = new FileServer(world.Folder.Path);
        using var proxy = new FaultProxy(server.Port);
        StoreFault[] faults = [StoreFault.Reset, StoreFault.Unavailable, StoreFault.Truncated, StoreFault.TooMany];
        proxy.Faults = request => request % 5 == 0 ? faults[request / 5 % faults.Length] : StoreFault.None;
        string address = $"http://127.0.0.1:{proxy.Port}/train";
        RunConfig stored = disk with
        {
            Data = disk.Data with
            {
                Corpora = [disk.Data.Corpora[0] with { Annotations = $"{address}/results_train.csv", Media = $"{address}/videos" }],
            },
        };
        Task returns = Task.CompletedTask;
        var result = await SmallRun.TrainAsync(stored, _out.File("stored"), decoders: 2,
            places: new() { BackOff = TimeSpan.FromMilliseconds(5) }, stepped: record =>
            {
                if (record.Step == 3) returns = DieAndReturnAsync(proxy);
            });
        await returns;
        Assert.True(result.Completed);
        Assert.Equal((Steps * 4, 0, 0), ((int)result.Ledger.Delivered, (int)result.Ledger.Rejected, (int)result.Ledger.InHand));
        Assert.Equal(Losses("disk"), Losses("stored"));
        Assert.True(proxy.Requests > Steps * 4);
    }

    private static async Task DieAndReturnAsync(FaultProxy proxy)
    {
        long before = RemotePlace.Traffic.Requests;
        proxy.Stop();
        while (RemotePlace.Traffic.Requests < before + 10) await Task.Delay(5);
        proxy.Start();
    }
}
