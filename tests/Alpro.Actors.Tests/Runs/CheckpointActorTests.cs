using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Actors.Tests.Pipeline;
using Alpro.Model;
using Alpro.Tests.Support.Events;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using Alpro.Training.Tests;
using static TorchSharp.torch;

namespace Alpro.Actors.Tests.Runs;

/// <summary>Who may write a checkpoint, and what becomes of one that cannot be written.</summary>
public sealed class CheckpointActorTests : TestKit
{
    private static readonly RunConfig _config = TinyRun.Config() with { Training = TinyRun.Config().Training with { ExportEvery = 2 } };

    private readonly TemporaryFolder _out = new();
    private readonly EventCollector _said;
    private readonly AlproModel _model = RunModel.Create(_config, CPU);
    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;
    private readonly SnapshotPool _snapshots;
    private readonly TestProbe _supervisor;

    public CheckpointActorTests() : this(new EventCollector())
    {
    }

    private CheckpointActorTests(EventCollector said)
        : base(ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(DefaultConfig), new LogSetup(said)))
    {
        _said = said;
        _parameters = new(_model);
        _optimizer = new(_parameters, _config.Optimizer);
        _snapshots = new(_config, _model, _parameters, _optimizer);
        _supervisor = CreateTestProbe();
    }

    private TrainingRun Run => new(_config, new(_out.Path), Resume: false);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _snapshots.Dispose();                                        // waits for ever if one was not given back
        _optimizer.Dispose();
        _parameters.Dispose();
        _model.Dispose();
        _out.Dispose();
    }

    private IActorRef Writer(TrainingRun? run = null)
    {
        TrainingRun given = run ?? Run;
        ActorSettings settings = TestClips.Running with { CheckpointTries = 3, CheckpointBackOff = TimeSpan.FromMilliseconds(20) };
        return _supervisor.ChildActorOf(Props.Create(() => new CheckpointActor(given, settings)));
    }

    private void Write(IActorRef writer, long step, long generation = 0) =>
        writer.Tell(new CheckpointActor.Write(_snapshots.Take(State(step, generation))));

    private static TrainState State(long step, long generation = 0) =>
        new() { Step = step, Settled = step, TotalSteps = 2, StepsPerEpoch = 6, Generation = generation };

    private string? Flush(IActorRef writer)
    {
        writer.Tell(CheckpointActor.Flush.Instance, _supervisor.Ref);
        return _supervisor.ExpectMsg<CheckpointActor.Flushed>().Checkpoint;
    }

    [Fact]
    public void Checkpoint_of_a_group_that_was_given_up_is_not_written()
    {
        var generations = new Generations(new(_out.Path));
        IActorRef writer = Writer();
        generations.Next();
        Write(writer, step: 1, generation: 1);
        Assert.Equal(Run.Store().FolderOf(1), Flush(writer));
        generations.Next();
        Write(writer, step: 2, generation: 1);
        Flush(writer);
        Assert.Equal([1L], Run.Store().Steps());
        CollectedEvent refused = Assert.Single(_said.Of(nameof(ActorEvents.CheckpointOutdated)));
        Assert.Equal((2L, 1L, 2L), (refused.Fields["Step"], refused.Fields["Generation"], refused.Fields["Latest"]));
    }

    [Fact]
    public void Checkpoint_that_cannot_be_written_at_first_is_tried_again_and_those_behind_it_keep_their_order()
    {
        File.WriteAllText(Run.Folder.Checkpoints, "");               // no folder can be made there
        _said.Told = one =>
        {
            if (one.Name == nameof(ActorEvents.CheckpointNotWritten)) File.Delete(Run.Folder.Checkpoints);
        };
        IActorRef writer = Writer();
        Write(writer, step: 1);
        Write(writer, step: 2);
        Assert.Equal(Run.Store().FolderOf(2), Flush(writer));
        Assert.Equal([1L, 2L], Run.Store().Steps());
        CollectedEvent failure = Assert.Single(_said.Of(nameof(ActorEvents.CheckpointNotWritten)));
        Assert.Equal((1L, 1, 3), (failure.Fields["Step"], failure.Fields["Try"], failure.Fields["Tries"]));
    }

    [Fact]
    public void Checkpoint_that_cannot_be_written_at_all_fails_the_run_and_what_comes_after_is_given_back_unwritten()
    {
        File.WriteAllText(Run.Folder.Checkpoints, "");
        IActorRef writer = Writer();
        Write(writer, step: 1);
        var failed = Assert.IsType<RunFailedException>(_supervisor.ExpectMsg<CheckpointActor.Failed>().Reason);
        Assert.StartsWith("the checkpoint of step 1 could not be written in 3 tries", failed.Message, StringComparison.Ordinal);
        File.Delete(Run.Folder.Checkpoints);
        for (int step = 2; step < 5; step++) Write(writer, step);    // more than the pool has: they come back
        Assert.Null(Flush(writer));
        Assert.Empty(Run.Store().Steps());
    }

    [Fact]
    public void Writer_that_stops_gives_back_what_waits()
    {
        File.WriteAllText(Run.Folder.Checkpoints, "");
        IActorRef writer = Writer();
        Write(writer, step: 1);
        Write(writer, step: 2);
        _supervisor.Watch(writer);
        writer.Tell(PoisonPill.Instance);                            // read after both
        _supervisor.FishForMessage(message => message is Terminated);
        _snapshots.Take(State(3)).Dispose();
    }

    /// <summary>A GPU that has failed by the time it is waited for.</summary>
    private sealed class FailedMark : IDeviceMark
    {
        public void Set() { }

        public void Wait() => throw new ExternalException("CUDA driver error 719 at a mark in the GPU's queue");

        public void Dispose() { }
    }

    [Fact]
    public async Task GPU_that_fails_while_its_snapshot_is_waited_for_ends_the_process_and_leaves_no_checkpoint()
    {
        var lost = new TaskCompletionSource<Exception>();
        using var snapshots = new SnapshotPool(_config, _model, _parameters, _optimizer) { Marks = static () => new FailedMark() };
        IActorRef writer = Writer(Run with { DeviceLost = exception => lost.TrySetResult(exception) });
        writer.Tell(new CheckpointActor.Write(snapshots.Take(State(1))));
        Assert.Equal(DeviceFault.Lost, DeviceFaults.Of(await lost.Task.WaitAsync(TimeSpan.FromSeconds(20))));
        Assert.Empty(Run.Store().Steps());
    }

    [Fact]
    public void Weights_are_exported_when_that_is_due()
    {
        IActorRef writer = Writer();
        Write(writer, step: 1);
        Write(writer, step: 2);
        Flush(writer);
        Assert.Equal((false, true), (File.Exists(Run.Folder.Export(1)), File.Exists(Run.Folder.Export(2))));
    }
}
