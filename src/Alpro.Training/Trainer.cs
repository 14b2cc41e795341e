using System.Diagnostics;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using Alpro.Training.Records;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>
/// Trains a model, step after step, on the thread that calls <see cref="Run"/>: the only one that may touch its tensors. It knows
/// nothing of where batches come from or where records and checkpoints go.
/// </summary>
public sealed class Trainer : IDisposable
{
    /// <summary>Steps between collections of young garbage, made when no native call is running.</summary>
    private const int CollectEvery = 16;

    private readonly RunConfig _config;
    private readonly TrainState _start;
    private readonly AlproModel _model;
    private readonly TrainerPorts _ports;
    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;
    private readonly LearningRateSchedule _schedule;
    private readonly BatchTensors _tensors;
    private SnapshotPool _snapshots;
    private long _saved;                                             // the step of the last snapshot given away
    private ValidationRecord? _validation;                           // the last, found here or told by the rank that did
    private ICollectives _collectives = new SoloGroup();
    private FeatureGather _gather = new(new SoloGroup());
    private GradientReduction _reduction;
    private readonly Tensor _skipped;                                // steps that were not finite, counted on the device
    private readonly double _skippedAtStart;
    private StepUnderWay? _underWay;
    private ThreadTimes? _times;                                     // of this thread, when the last step's accounts were made

    /// <summary>A trainer of a model that is on its device.</summary>
    /// <param name="config">The run.</param>
    /// <param name="model">The model; its trainable parameters move into flat buffers.</param>
    /// <param name="ports">Where records, checkpoints and validations go.</param>
    /// <param name="start">Where the run begins: the length that it has, and the data.</param>
    /// <param name="resume">The checkpoint to continue from: weights, moments and state become what they were.</param>
    /// <exception cref="ConfigException">The checkpoint is of another run.</exception>
    public Trainer(RunConfig config, AlproModel model, TrainerPorts ports, TrainState start, Checkpoint? resume = null)
    {
        (_config, _start, _model, _ports) = (config, start, model, ports);
        _parameters = new(model, config.Training.Precision == Precision.Bf16Weights);
        _reduction = new(_parameters, _collectives);
        _optimizer = new(_parameters, config.Optimizer, config.TorchThreads);
        _schedule = new(config.Schedule, config.Optimizer.LearningRate, start.TotalSteps);
        _tensors = new(_parameters.Device, config.Model.Vision.PatchSize);
        State = start;
        if (resume is not null)
        {
            resume.RequireSameRun(config, start);
            resume.ReadInto(model, _parameters, _optimizer);
            // It was written before the validation of its step, or after; of one that does not say, a validation that was due is made
            // again.
            State = resume.State with { Settled = Math.Max(resume.State.Settled, resume.State.Step - 1), Data = start.Data };
            _saved = State.Step;
        }
        _snapshots = new(config, model, _parameters, _optimizer);
        _skipped = TensorOps.Constant(State.Skipped, _parameters.Device, ScalarType.Float64).DetachFromDisposeScope();
        _skippedAtStart = State.Skipped;
        ReadsLate = _parameters.Device.type == DeviceType.CUDA;
        model.train();
    }

    /// <summary>Where the run stands.</summary>
    public TrainState State { get; internal set; }

    /// <summary>
    /// Whether a group ended while it gave this trainer its weights. Some numbers are then of one step and some of another: the trainer is
    /// of no use, and <see cref="State"/> is that of the beginning.
    /// </summary>
    public bool IsTorn { get; private set; }

    /// <summary>The negatives of matching of the next step, where they are given instead of drawn.</summary>
    internal Func<HardNegatives?> Negatives { get; init; } = static () => null;

    /// <summary>
    /// Whether a step's figures are read when the next is queued, so that the device never waits for the host: on a GPU. Not in a group,
    /// which may have ended during the step: then its gradients are no sums, and must not be used.
    /// </summary>
    internal bool ReadsLate { get; init; }

    /// <summary>Sees the gradients of a step before the update clears them.</summary>
    internal Action<FlatParameters> BeforeUpdate { get; init; } = static _ => { };

    /// <summary>In place of <see cref="GradientReduction.Smallest"/>.</summary>
    internal long SmallestPiece { get; init; } = GradientReduction.DefaultSmallest;

    /// <summary>
    /// Enters a group of trainers, each of which computes its share of every step from here on (see <see cref="RankShare"/>). The furthest
    /// of them gives the others its weights, moments and state, over the network alone. A newcomer, or one whose last step the end of an
    /// older group cut short, then stands where the furthest does. To be called on the training thread, by all ranks of the group.
    /// </summary>
    /// <param name="collectives">The group; it stays the caller's.</param>
    /// <exception cref="ConfigException">A step's clips cannot be shared out to so many ranks, or the ranks do not train the same
    /// run.</exception>
    /// <exception cref="CollectivesException">The group is over.</exception>
    public void Join(ICollectives collectives)
    {
        _config.RequireShares(collectives.World);
        (_collectives, _gather, _reduction) = (collectives, new(collectives), new(_parameters, collectives) { Smallest = SmallestPiece });
        _parameters.ZeroGradients();
        State = StateTransfer.Share(collectives, _config, State, _model, _parameters, _optimizer, torn: () =>
            (IsTorn, State) = (true, _start)) with { Generation = collectives.Generation };
        IsTorn = false;
        _snapshots.Dispose();                                        // they keep a copy of what is not trained, which has come now
        _snapshots = new(_config, _model, _parameters, _optimizer);
    }

    /// <summary>
    /// Gives away a snapshot if the last that was due is not on the disk. It was lost with the rank that should have written it, or was not
    /// written because the next group had formed meanwhile. To be called on the training thread, by whoever writes the run down.
    /// </summary>
    /// <param name="written">The step of the last checkpoint on the disk; 0 where there is none.</param>
    public void SaveIfLost(long written)
    {
        if (_saved > written) Save();
    }

    /// <summary>Trains until the last step is done, or until it is told to stop: then at the end of a step, with a checkpoint.</summary>
    /// <param name="batches">The batches of the steps from <see cref="TrainState.Step"/> on, in order; each is disposed here.</param>
    /// <param name="stop">Asks to stop.</param>
    /// <returns>Where the run stands.</returns>
    /// <exception cref="NonFiniteLossException">A loss or gradient is not finite and may not be skipped.</exception>
    /// <exception cref="ChannelClosedException">The batches ended before the run.</exception>
    public TrainState Run(ChannelReader<ClipBatch> batches, CancellationToken stop = default)
    {
        set_num_threads(_config.TorchThreads);
        long ended = Stopwatch.GetTimestamp();
        try
        {
            while (true)
            {
                // of the last step of an older group too, if the group's end came first
                if (State.Settled < State.Step) Settle();
                if (State.Step == State.TotalSteps || _collectives.Any(stop.IsCancellationRequested)) break;
                using Activity? span = TrainingMetrics.Activities.StartActivity("alpro.step");
                span?.SetTag("step", State.Step);
                long began = Stopwatch.GetTimestamp();
                if (!batches.TryPeek(out _)) Drain();                // it has to be waited for: meanwhile the step before is told of
                // ranks stop together
                if (Next(batches, _collectives.World == 1 ? stop : CancellationToken.None) is not { } batch) break;
                StepUnderWay begun = Begin(batch, new(ended, began, batches.CanCount ? batches.Count : 0, () =>
                {
                    SendAhead(batches);
                    _ports.Seen(batch);
                }));
                (StepUnderWay? done, _underWay) = ReadsLate && _collectives.World == 1 ? (_underWay, begun) : (begun, null);
                if (done is not null) Tell(done, begun);
                ended = Stopwatch.GetTimestamp();
                if (State.Step % CollectEvery == 0) GC.Collect(0);
            }
            Drain();
        }
        catch (Exception exception) when (exception is CollectivesException or ChannelClosedException)
        {
            Drain();                                                 // that step is done, whatever has ended
            throw;
        }
        finally
        {
            _underWay?.Dispose();
            _underWay = null;
        }
        if (State.Step > _saved) Save();
        return State;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _snapshots.Dispose();
        _tensors.Dispose();
        _skipped.Dispose();
        _optimizer.Dispose();
        _parameters.Dispose();
    }

    /// <summary>What a step trains on: its clips' names, and the tensors of any stretch of them.</summary>
    internal sealed record StepInputs(IReadOnlyList<string> Keys, int Corpus, int Size, Func<int, int, ModelInputs> Tensors,
        int Rejected = 0);

    /// <summary>When a step began, what it found, and what it can do while the device is busy.</summary>
    internal readonly record struct StepClock(long PreviousEnd, long Began, int QueueDepth, Action? Meanwhile = null);

    /// <summary>A step whose work is queued, and whose figures are to be read.</summary>
    private sealed class StepUnderWay(StepInputs inputs, StepClock clock, StepWatch watch) : IDisposable
    {
        public readonly StepInputs Inputs = inputs;
        public readonly StepClock Clock = clock;
        public StepWatch Watch = watch;

        public required TrainState Before { get; init; }

        public required IReadOnlyList<LossTerm> Terms { get; init; }

        public required double[] Accounts { get; init; }

        public required double LearningRate { get; init; }

        public required Readback Figures { get; init; }

        public required long AllocatedBytes { get; init; }

        public ClipBatch? Batch { get; set; }

        public void Dispose()
        {
            Figures.Dispose();
            Batch?.Dispose();
        }
    }

    /// <summary>One step on a batch, figures and all; the batch stays the caller's.</summary>
    internal StepRecord Advance(ClipBatch batch, StepClock clock) => Advance(InputsOf(batch), clock);

    /// <summary>One step, figures and all.</summary>
    internal StepRecord Advance(StepInputs step, StepClock clock)
    {
        using StepUnderWay begun = Begin(step, clock);
        return Finish(begun, begun);
    }

    private StepInputs InputsOf(ClipBatch batch) => new(batch.Keys, batch.Corpus, batch.Size,
        (first, count) => _tensors.Of(batch, first, count), batch.Rejected);

    private StepUnderWay Begin(ClipBatch batch, StepClock clock)
    {
        try
        {
            StepUnderWay begun = Begin(InputsOf(batch), clock);
            begun.Batch = batch;
            return begun;
        }
        catch
        {
            batch.Dispose();
            throw;
        }
    }

    /// <summary>Queues one step: forward and backward for each part of the batch, and the update if all figures are finite.</summary>
    private StepUnderWay Begin(StepInputs step, StepClock clock)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        var watch = new StepWatch(clock.Began);
        int parts = _config.Training.Accumulation, size = step.Size / parts, groupSize = _config.Training.GroupSize ?? size,
            groups = size / groupSize;
        using var scope = NewDisposeScope();
        Seed(0);
        IReadOnlyList<LossTerm> terms = [];
        Tensor? figures = null;
        for (int part = 0; part < parts; part++)
        {
            using var partScope = NewDisposeScope();
            ModelInputs[] inputs = [.. Enumerable.Range(0,
                groups).Select(group => step.Tensors(part * size + group * groupSize, groupSize))];
            int firstGroup = (part * _collectives.World + _collectives.Rank) * groups;
            watch.Lap(ref watch.TransferMs);
            ModelLosses losses;
            using (part == parts - 1 ? _reduction.Behind() : null)
            using (_config.Training.Precision.Autocast(_parameters.Device.type))
                losses = _model.Forward(inputs, _gather, _config.Training.GroupSize is null ? null : BeginGroup, Negatives());
            watch.Lap(ref watch.ForwardMs);
            losses.Total.Over(parts * _collectives.World).backward();
            ActivationCheckpoint.ThrowIfFailed();
            _parameters.Collect();
            watch.Lap(ref watch.BackwardMs);
            terms = losses.Terms;
            Tensor sum = Figures(losses);
            figures = (figures is null ? sum : figures.Plus(sum)).MoveToOuterDisposeScope();

            void BeginGroup(int group, bool losses) => Seed(2 * (ulong)(firstGroup + group) + (losses ? 2UL : 1));
        }

        clock.Meanwhile?.Invoke();
        double[] accounts = AccountsOf(step, Stopwatch.GetElapsedTime(clock.Began, watch.Taken).TotalMilliseconds);
        if (_collectives.World > 1) figures = cat([figures!, tensor(accounts).to(_parameters.Device)], 0);
        _reduction.Complete();
        _collectives.AllReduce(figures!);
        watch.Lap(ref watch.ReduceMs);
        Tensor norm = _optimizer.GradientNorm().to(_parameters.Device);
        figures = cat([figures!, norm.view(1)], 0);
        double learningRate = _schedule.At(State.Step + 1, State.Epoch);
        BeforeUpdate(_parameters);
        var read = new Readback(figures);
        bool late = ReadsLate && _collectives.World == 1;
        if (late) UpdateIfSound(figures, norm, learningRate);
        else
        {
            double[] values = read.Read();                                                           // the step's one wait for the device
            _collectives.ThrowIfOver();
            watch.Lap(ref watch.SynchronizeMs);
            if (!values.All(double.IsFinite)) _parameters.ZeroGradients();
            else if (_parameters.Device.type == DeviceType.CPU)
                _optimizer.Step(learningRate, AdamW.ClipScale(values[^1], _config.Training.GradientNorm));
            else
                _optimizer.StepOnDevice(learningRate, norm, _config.Training.GradientNorm,
                    TensorOps.Constant(1, _parameters.Device, ScalarType.Float64));
        }
        watch.Lap(ref watch.OptimizerMs);

        var begun = new StepUnderWay(step, clock, watch)
        {
            Before = State,
            Terms = terms,
            Accounts = accounts,
            LearningRate = learningRate,
            Figures = read,
            AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - allocated,
        };
        State = State with { Step = State.Step + 1, Clips = State.Clips + step.Size * _collectives.World };
        return begun;
    }

    /// <summary>
    /// Updates if all figures are finite, and no step before was not that may not be skipped; decided on the device. What the host does
    /// when it learns of it finds the weights as they were before that step.
    /// </summary>
    private void UpdateIfSound(Tensor figures, Tensor norm, double learningRate)
    {
        using var noGrad = no_grad();
        double allowed = _config.Training.OnNonFinite == NonFinitePolicy.Skip ? _config.Training.MaxSkipped : _skippedAtStart;
        Tensor finite = figures.isfinite().all().to(ScalarType.Float64),
            sound = finite.mul(_skipped.Below(allowed + 0.5).to(ScalarType.Float64));
        _skipped.add_(finite.OneMinus(), TensorOps.One);
        _optimizer.StepOnDevice(learningRate, norm, _config.Training.GradientNorm, sound);
    }

    /// <summary>Reads a step's figures, waiting for them.</summary>
    /// <param name="step">The step.</param>
    /// <param name="waiting">The step in whose time that is.</param>
    private StepRecord Finish(StepUnderWay step, StepUnderWay waiting)
    {
        double[] values = step.Figures.Read();
        waiting.Watch.Lap(ref waiting.Watch.SynchronizeMs);
        int accounts = step.Accounts.Length, world = _collectives.World;
        if (world > 1) values.AsSpan(values.Length - 1 - accounts, accounts).CopyTo(step.Accounts);
        bool finite = values.All(double.IsFinite);
        // Step counts by itself
        if (finite && (_parameters.Device.type != DeviceType.CPU || (ReadsLate && world == 1))) _optimizer.Confirm();
        StepRecord record = RecordOf(step, values) with { Skipped = !finite, AllocatedBytes = step.AllocatedBytes };
        State = State with { Updates = _optimizer.Updates, Skipped = State.Skipped + (finite ? 0 : 1), Rejected = record.Rejected };
        return record;
    }

    /// <summary>Tells of a step, and lets one that is not finite pass while it may.</summary>
    private void Tell(StepUnderWay step, StepUnderWay waiting)
    {
        using (step)
        {
            StepRecord record = Finish(step, waiting);
            TrainingMetrics.Record(record, step.Inputs.Size * _collectives.World);
            _ports.Record(record);
            if (record.Skipped) Tolerate(record, step.Batch!);
        }
    }

    /// <summary>Waits for the step that is under way, if there is one.</summary>
    private void Drain()
    {
        if (_underWay is not { } step) return;
        _underWay = null;
        Tell(step, step);
    }

    /// <summary>
    /// Sets the random numbers that follow: dropout and hard negatives. Those of a group are its own, whatever rank it is on.
    /// </summary>
    private void Seed(ulong stream) =>
        Generators.Seed(SeededRandom.Mix(_config.Seed, (ulong)RandomPurpose.TrainingStep, (ulong)State.Step, stream),
        _parameters.Device.type);

    private StepRecord RecordOf(StepUnderWay step, double[] values)
    {
        StepWatch watch = step.Watch;
        IReadOnlyList<LossTerm> terms = step.Terms;
        int addends = _config.Training.Accumulation * _collectives.World;
        int clips = step.Inputs.Keys.Count * _collectives.World;
        double betweenMs = Stopwatch.GetElapsedTime(step.Clock.PreviousEnd, step.Clock.Began).TotalMilliseconds,
            stepMs = watch.WaitMs + watch.SinceMs;
        return new()
        {
            Step = step.Before.Step,
            Epoch = step.Before.Epoch,
            Corpus = step.Inputs.Corpus,
            Clips = XxHash64.HashToUInt64(MemoryMarshal.AsBytes(step.Accounts.AsSpan(1, clips))).ToString("x16"),
            Loss = values[0] / addends,
            Terms = terms.Select((term, i) => (term, At: 1 + 3 * i)).ToDictionary(
                entry => entry.term.Name,
                entry => new TermRecord(values[entry.At] / addends, entry.term.Correct is null ? null : values[entry.At + 1],
                entry.term.Count is null ? null : values[entry.At + 2])),
            LearningRate = step.LearningRate,
            GradientNorm = values[^1],
            StepMs = stepMs,
            WaitMs = watch.WaitMs,
            TransferMs = watch.TransferMs,
            ForwardMs = watch.ForwardMs,
            BackwardMs = watch.BackwardMs,
            ReduceMs = watch.ReduceMs,
            SynchronizeMs = watch.SynchronizeMs,
            OptimizerMs = watch.OptimizerMs,
            BetweenMs = betweenMs,
            ClipsPerSecond = step.Inputs.Size * _collectives.World / (stepMs + betweenMs) * 1000,
            WaitShare = watch.WaitMs / stepMs,
            Ranks = _collectives.World == 1 || _times is null ? null : [.. Enumerable.Range(0, _collectives.World).Select(rank =>
                new RankTimes(Math.Round(step.Accounts[1 + clips + 2 * rank], 2), Math.Round(step.Accounts[2 + clips + 2 * rank], 2)))],
            QueueDepth = step.Clock.QueueDepth,
            Rejected = State.Rejected + (long)step.Accounts[0],
            ResidentMb = Environment.WorkingSet / 1e6,
            Collections = GC.CollectionCount(0),
        };
    }

    /// <summary>The batch of the next step, waited for on this thread; null when told to stop meanwhile.</summary>
    private ClipBatch? Next(ChannelReader<ClipBatch> batches, CancellationToken stop)
    {
        ClipBatch? batch;
        try
        {
            while (!batches.TryRead(out batch))
                if (!batches.WaitToReadAsync(stop).AsTask().GetAwaiter().GetResult())
                    throw new ChannelClosedException($"The batches ended at step {State.Step} of {State.TotalSteps}.");
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
        int share = _config.Training.BatchSize / _collectives.World;
        if (batch.Step == State.Step && batch.Size == share) return batch;
        batch.Dispose();
        throw new InvalidOperationException(
            $"Step {State.Step} was given the batch of step {batch.Step} with {batch.Size} clips; it trains on {share}.");
    }

    /// <summary>Begins to move the next batch to the device while that is busy with this one.</summary>
    private void SendAhead(ChannelReader<ClipBatch> batches)
    {
        if (batches.TryPeek(out ClipBatch? next)) _tensors.Ahead(next);
    }

    /// <summary>Lets a step that is not finite pass while it may, and ends the run where it may not.</summary>
    private void Tolerate(StepRecord record, ClipBatch batch)
    {
        if (_config.Training.OnNonFinite == NonFinitePolicy.Skip && State.Skipped <= _config.Training.MaxSkipped) return;
        throw new NonFiniteLossException(record, batch.Keys,
            _ports.KeepForReplay?.Invoke(batch, _snapshots.Take(State with { Step = record.Step })));
    }

    /// <summary>
    /// What is due after a step: validation, and a checkpoint. Were the group to end meanwhile, the next would do it again.
    /// </summary>
    private void Settle()
    {
        TrainingConfig training = _config.Training;
        bool last = State.Step == State.TotalSteps, validate = _ports.Validate is not null
            && (last || (training.ValidateEvery > 0 && State.Step % training.ValidateEvery == 0));
        bool saves = validate || last || State.Step % training.CheckpointEvery == 0;
        if (saves) Drain();
        if (validate)
        {
            Save();                                                  // to be killed while the model is scored costs no step
            long began = Stopwatch.GetTimestamp();
            Validate();
            _ports.Spent(TimeCause.Validation, Stopwatch.GetElapsedTime(began).TotalSeconds);
        }
        State = State with { Settled = State.Step };
        if (saves) Save();
    }

    private void Save()
    {
        long began = Stopwatch.GetTimestamp();
        _ports.Checkpoint(_snapshots.Take(State));
        _saved = State.Step;
        _ports.Spent(TimeCause.Checkpoint, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>
    /// Scores the model, and keeps the step in mind if it is the best so far. One rank does it for all: the first, unless one has the
    /// scores from a group that ended before the others were told.
    /// </summary>
    private void Validate()
    {
        using Activity? span = TrainingMetrics.Activities.StartActivity("alpro.validation");
        using var scope = NewDisposeScope();
        long[] scored = [.. _collectives.AllGather(tensor([_validation?.Step ?? -1])).data<long>()];
        int source = Math.Max(0, Array.IndexOf(scored, State.Step));
        if (_collectives.Rank == source && _validation?.Step != State.Step)
        {
            _validation = _ports.Validate!(_model, State);
            _model.train();
        }
        byte[] told = StateTransfer.Bytes(_collectives, JsonSerializer.SerializeToUtf8Bytes(_validation, RunLog.Json), source);
        _validation = JsonSerializer.Deserialize<ValidationRecord>(told, RunLog.Json)!;
        TrainingMetrics.Record(_validation);
        _ports.Validated(_validation);
        if (double.IsNaN(_validation.Score) || _validation.Score <= State.BestScore) return;
        State = State with { BestScore = _validation.Score, BestStep = State.Step };
    }

    /// <summary>
    /// The total, then loss, right decisions and decisions of each term, as one tensor: one look at the device shows all.
    /// </summary>
    private Tensor Figures(ModelLosses losses)
    {
        using var noGrad = no_grad();
        Tensor none = TensorOps.Constant(0, _parameters.Device);
        return stack([.. losses.Terms.SelectMany(term => new[] { term.Loss, term.Correct ?? none, term.Count ?? none })
            .Prepend(losses.Total).Select(figure => figure.to(ScalarType.Float64))]);
    }

    /// <summary>
    /// The clips rejected, then a hash of each clip's key in its place among those of all ranks. The places of the others hold zeros.
    /// Summed over the ranks as the figures are, it is the account of the whole step. A hash has as many bits as a double holds exactly.
    /// Last come two numbers of each rank: how long its thread ran, or could have, since the last account; and how long it waited.
    /// </summary>
    private double[] AccountsOf(StepInputs step, double waitMs)
    {
        int clips = step.Keys.Count * _collectives.World, own = 1 + clips + 2 * _collectives.Rank;
        var accounts = new double[1 + clips + 2 * _collectives.World];
        accounts[0] = step.Rejected;
        ThreadTimes? before = _times;
        _times = _parameters.Device.type == DeviceType.CPU ? ThreadTimes.OfThisThread() : null;
        (accounts[own], accounts[own + 1]) = (_times is { } now && before is { } then ? (now - then).Wanted * 1000 : 0, waitMs);
        for (int slot = 0; slot < step.Keys.Count; slot++)
        {
            int place = RankShare.PlaceOf(slot, step.Keys.Count, _collectives.Rank, _collectives.World, _config.Training.Accumulation);
            accounts[1 + place] = XxHash64.HashToUInt64(MemoryMarshal.AsBytes(step.Keys[slot].AsSpan())) >> 11;
        }
        return accounts;
    }

    /// <summary>Where the time of a step goes.</summary>
    private struct StepWatch(long began)
    {
        /// <summary>When the batch was there.</summary>
        public readonly long Taken = Stopwatch.GetTimestamp();

        private long _lap = Stopwatch.GetTimestamp();

        public double TransferMs, ForwardMs, BackwardMs, ReduceMs, SynchronizeMs, OptimizerMs;

        /// <summary>Milliseconds from the begin of the step to the batch.</summary>
        public readonly double WaitMs => Stopwatch.GetElapsedTime(began, Taken).TotalMilliseconds;

        /// <summary>Milliseconds from the batch to the last lap.</summary>
        public readonly double SinceMs => Stopwatch.GetElapsedTime(Taken, _lap).TotalMilliseconds;

        /// <summary>Adds what has passed since the last lap.</summary>
        public void Lap(ref double milliseconds)
        {
            long now = Stopwatch.GetTimestamp();
            milliseconds += Stopwatch.GetElapsedTime(_lap, now).TotalMilliseconds;
            _lap = now;
        }
    }
}
