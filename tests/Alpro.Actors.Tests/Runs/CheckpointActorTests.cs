using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Model;
using Alpro.Tests.Support.Runs;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Actors.Tests.Runs;

/// <summary>Who may write a checkpoint.</summary>
public sealed class CheckpointActorTests : TestKit, IClassFixture<SmallWorld>
{
    private readonly TemporaryFolder _out = new();

    public CheckpointActorTests(SmallWorld world) => SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 2);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _out.Dispose();
    }

    [Fact]
    public async Task Checkpoint_of_a_group_that_was_given_up_is_not_written()
    {
        var said = new List<string>();
        var run = new TrainingRun(ConfigLoader.Load(_out.File("config.json")), _out.Path, Resume: false) { Warn = said.Add };
        await using RunHost host = await RunHost.StartAsync();
        ActorSettings settings = host.Settings;
        using AlproModel model = RunModel.Create(run.Config, CPU);
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, run.Config.Optimizer);
        using var snapshots = new SnapshotPool(run.Config, model, parameters, optimizer);
        IActorRef writer = Sys.ActorOf(Props.Create(() => new CheckpointActor(run, settings)));
        var generations = new Generations(_out.Path);
        generations.Next();
        writer.Tell(new CheckpointActor.Write(snapshots.Take(State(1, generation: 1))));
        writer.Tell(CheckpointActor.Flush.Instance, TestActor);
        Assert.Equal(run.Store().FolderOf(1), ExpectMsg<CheckpointActor.Flushed>(TimeSpan.FromSeconds(20)).Checkpoint);
        generations.Next();
        writer.Tell(new CheckpointActor.Write(snapshots.Take(State(2, generation: 1))));
        writer.Tell(CheckpointActor.Flush.Instance, TestActor);
        ExpectMsg<CheckpointActor.Flushed>(TimeSpan.FromSeconds(20));
        Assert.Equal([1L], run.Store().Steps());
        Assert.Equal("checkpoint of step 2 is not written: it is of generation 1, and generation 2 has formed since", Assert.Single(said));
    }

    [Fact]
    public async Task GPU_that_fails_while_its_snapshot_is_waited_for_ends_the_process_and_leaves_no_checkpoint()
    {
        var lost = new TaskCompletionSource<Exception>();
        RunConfig config = ConfigLoader.Load(_out.File("config.json"));
        var run = new TrainingRun(config, _out.Path, Resume: false) { DeviceLost = error => lost.TrySetResult(error) };
        await using RunHost host = await RunHost.StartAsync();
        ActorSettings settings = host.Settings;
        using AlproModel model = RunModel.Create(run.Config, CPU);
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, run.Config.Optimizer);
        using var snapshots = new SnapshotPool(run.Config, model, parameters, optimizer) { Marks = static () => new FailedMark() };
        IActorRef writer = Sys.ActorOf(Props.Create(() => new CheckpointActor(run, settings)));
        writer.Tell(new CheckpointActor.Write(snapshots.Take(State(1, generation: 0))));
        Assert.Equal(DeviceFault.Lost, DeviceFaults.Of(await lost.Task.WaitAsync(TimeSpan.FromSeconds(20))));
        Assert.Empty(run.Store().Steps());
    }

    private static TrainState State(long step, long generation) =>
        new() { Step = step, Settled = step, TotalSteps = 2, StepsPerEpoch = 6, Generation = generation };

    /// <summary>A GPU that has failed by the time it is waited for.</summary>
    private sealed class FailedMark : IDeviceMark
    {
        public void Set()
        {
        }

        public void Wait() => throw new ExternalException("CUDA driver error 719 at a mark in the GPU's queue");

        public void Dispose()
        {
        }
    }
}
