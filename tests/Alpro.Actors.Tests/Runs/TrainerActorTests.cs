using System.Threading.Channels;
using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data.Batches;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;

namespace Alpro.Actors.Tests.Runs;

/// <summary>What a trainer does from one group to the next.</summary>
public sealed class TrainerActorTests : TestKit, IClassFixture<SmallWorld>
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _out = new();

    public TrainerActorTests(SmallWorld world) => SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 2);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _out.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Checkpoint_that_the_next_group_came_before_is_made_good_by_that_group(bool written)
    {
        var run = new TrainingRun(ConfigLoader.Load(_out.File("config.json"), ["training.checkpointEvery=1"]), _out.Path, Resume: false);
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 });
        using var data = new RunData(run.Config, host.Settings);
        ClipBatch[] batches = [.. host.Read(data, [0, 1, 2, 3, 4, 5, 6, 7], run.Config.Data.Clip, batchSize: 4, new())];
        var start = new TrainState { TotalSteps = 2, StepsPerEpoch = 6, Data = data.Contents() };
        TestProbe parent = CreateTestProbe(), checkpoints = CreateTestProbe();
        (ActorSettings settings, IActorRef writer) = (host.Settings, checkpoints.Ref);
        IActorRef trainer = parent.ChildActorOf(Props.Create(() => new TrainerActor(run, start, settings, writer, null)));

        Enter(generation: 1, batches[0]);
        Assert.Equal((1, 1), Saved());                               // and lost: the writer finds that another group has formed
        parent.FishForMessage<TrainerActor.GroupLost>(static _ => true, _soon);
        if (written) Directory.CreateDirectory(run.Store().FolderOf(1));
        Enter(generation: 2, batches[1]);
        if (!written) Assert.Equal((1, 2), Saved());
        Assert.Equal((2, 2), Saved());
        parent.FishForMessage<TrainerActor.Finished>(static _ => true, _soon);

        void Enter(long generation, ClipBatch batch)
        {
            var channel = Channel.CreateUnbounded<ClipBatch>();
            channel.Writer.TryWrite(batch);
            channel.Writer.Complete(new CollectivesException(1, generation, "makes room for a larger group"));
            trainer.Tell(new TrainerActor.Enter(new SoleRank(generation), channel.Reader, Resume: false));
        }

        (long Step, long Generation) Saved()
        {
            using Snapshot snapshot = checkpoints.ExpectMsg<CheckpointActor.Write>(_soon).Snapshot;
            return (snapshot.State.Step, snapshot.State.Generation);
        }
    }
}
