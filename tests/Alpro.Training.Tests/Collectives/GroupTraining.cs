using System.Threading.Channels;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

/// <summary>Tiny runs on several ranks, each a thread with a model of its own.</summary>
internal static class GroupTraining
{
    /// <summary>A run of 8 clips a step in groups of 2.</summary>
    public static RunConfig Config(LearningTask task = LearningTask.Pretrain, int accumulation = 1, long steps = 4)
    {
        RunConfig config = TinyRun.Config(task, batchSize: 8, steps);
        return config with { Training = config.Training with { GroupSize = 2, Accumulation = accumulation } };
    }

    /// <summary>What a rank did.</summary>
    public sealed record Outcome(IReadOnlyList<StepRecord> Records, TrainState State, float[] Weights);

    /// <summary>Trains on so many ranks to the end.</summary>
    /// <param name="config">The run.</param>
    /// <param name="world">Number of ranks.</param>
    /// <param name="over">What goes over the ring of a rank, made on its thread.</param>
    public static Outcome[] Train(RunConfig config, int world, Func<ICollectives, ICollectives>? over = null)
    {
        ICollectives[] ranks = TestRing.Form(world);
        var turn = new Lock();
        return TestRing.OnThreads(world, rank =>
        {
            using ICollectives group = new InTurn(over is null ? ranks[rank] : over(ranks[rank]), turn);
            var records = new List<StepRecord>();
            using AlproModel model = RunModel.Create(config, CPU);
            using Trainer trainer = new(config, model, new() { Record = records.Add }, TinyRun.Start(config)) { SmallestPiece = 1 };
            trainer.Join(group);
            TrainState state = trainer.Run(Batches(config, group.Rank, world));
            return new Outcome(records, state, TinyRun.Weights(model));
        });
    }

    /// <summary>The batches of one rank.</summary>
    public static ChannelReader<ClipBatch> Batches(RunConfig config, int rank, int world, long from = 0)
    {
        var channel = Channel.CreateUnbounded<ClipBatch>();
        for (long step = from; step < config.Training.Steps; step++) channel.Writer.TryWrite(Share(config, step, rank, world));
        channel.Writer.Complete();
        return channel.Reader;
    }

    /// <summary>For how many clips the one in a place stands in.</summary>
    private static int Rejected(long step, int place) => (int)(step + place) % 5 == 0 ? 2 : 0;

    /// <summary>The part of a step's batch that a rank's plan names.</summary>
    private static ClipBatch Share(RunConfig config, long step, int rank, int world)
    {
        using ClipBatch whole = TinyRun.Batch(config, step);
        var plan = new RankShare(new PlaceAsRow(whole.Size), rank, world, config.Training.Accumulation);
        var share = new ClipBatch(step, plan.Places(step), whole.Layout) { IsVideo = whole.IsVideo };
        int pixels = whole.Layout.PixelBytes;
        for (int slot = 0; slot < share.Size; slot++)
        {
            int place = (int)plan.Request(step, slot).Row;
            whole.Pixels_BTHWC.Slice(place * pixels, pixels).CopyTo(share.Pixels_BTHWC[(slot * pixels)..]);
            foreach (ClipField field in ClipLayout.Fields) whole.Row(field, place).CopyTo(share.Row(field, slot));
            share.Rejected += Rejected(step, place);
            share.Keys[slot] = whole.Keys[place];
        }
        return share;
    }

    private sealed class PlaceAsRow(int places) : IClipPlan
    {
        public bool ReplacesUnreadable => true;

        public int Places(long step) => places;

        public ClipRequest Request(long step, int slot, int attempt = 0) => new(step, slot, attempt, 0, slot, 0);
    }

    /// <summary>
    /// Lets one rank compute at a time: libtorch has one stream of random numbers in a process, which threads would draw from in any order.
    /// While a rank waits for the others, these have their turn.
    /// </summary>
    public sealed class InTurn : ICollectives
    {
        private readonly ICollectives _group;
        private readonly Lock _turn;

        public InTurn(ICollectives group, Lock turn)
        {
            (_group, _turn) = (group, turn);
            _turn.Enter();
        }

        public int Rank => _group.Rank;

        public int World => _group.World;

        public long Generation => _group.Generation;

        public bool Overlaps => _group.Overlaps;

        public void AllReduce(Tensor tensor) => Yield(() => { _group.AllReduce(tensor); return 0; });

        public void BeginAllReduce(Tensor tensor) => Yield(() => { _group.BeginAllReduce(tensor); return 0; });

        public void CompleteAllReduces() => Yield(() => { _group.CompleteAllReduces(); return 0; });

        public Tensor AllGather(Tensor own) => Yield(() => _group.AllGather(own));

        public void Broadcast(Tensor tensor, int source) => Yield(() => { _group.Broadcast(tensor, source); return 0; });

        public void ThrowIfOver() => _group.ThrowIfOver();

        public void Abort(Exception reason) => _group.Abort(reason);

        public void Dispose()
        {
            _turn.Exit();
            _group.Dispose();
        }

        private T Yield<T>(Func<T> operation)
        {
            _turn.Exit();
            try
            {
                return operation();
            }
            finally
            {
                _turn.Enter();
            }
        }
    }
}
