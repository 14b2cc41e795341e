using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Checkpoints;

public sealed class SnapshotTests
{
    [Fact]
    public async Task What_a_device_copies_in_its_own_time_is_read_when_it_has_and_not_waited_for_before()
    {
        RunConfig config = TinyRun.Config();
        using AlproModel model = RunModel.Create(config, CPU);
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, config.Optimizer);
        using var mark = new StandInMark();
        using var snapshots = new SnapshotPool(config, model, parameters, optimizer) { Marks = () => mark };
        snapshots.Take(TinyRun.Start(config)).Dispose();             // given back unread: its buffers are used again
        optimizer.FirstMoment.fill_(2);
        using Snapshot snapshot = snapshots.Take(TinyRun.Start(config) with { Step = 3 });
        Assert.Equal((2, 0), (mark.Places, mark.Waits));
        Assert.Equal(3, snapshot.State.Step);
        await WaitsAndReadsAsync(snapshot.Weights);
        Assert.Equal(2, await WaitsAndReadsAsync(snapshot.Moments));

        async Task<float> WaitsAndReadsAsync(Func<IEnumerable<KeyValuePair<string, Tensor>>> read)
        {
            mark.Reached.Reset();
            Task<float> reading = Task.Run(() =>
            {
                using var scope = NewDisposeScope();
                return read().First().Value.max().item<float>();
            });
            Assert.True(await mark.Asked.WaitAsync(TimeSpan.FromMinutes(1)));
            Assert.False(reading.IsCompleted);
            mark.Reached.Set();
            return await reading;
        }
    }

    /// <summary>A mark that is reached when the test says so.</summary>
    private sealed class StandInMark : IDeviceMark
    {
        public SemaphoreSlim Asked { get; } = new(0);

        public ManualResetEventSlim Reached { get; } = new();

        public int Places { get; private set; }

        public int Waits { get; private set; }

        public void Set() => Places++;

        public void Wait()
        {
            Waits++;
            Asked.Release();
            Reached.Wait();
        }

        public void Dispose()
        {
        }
    }
}
