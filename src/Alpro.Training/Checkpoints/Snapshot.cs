using System.Collections.Concurrent;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Checkpoints;

/// <summary>
/// A run at one step, copied off the training thread's tensors: weights, moments and state. A GPU copies in its own time, in its order of
/// work. Whoever reads waits for the copy: there is no other way to the numbers. Whoever writes a snapshot gives it back by disposing it.
/// At most <see cref="SnapshotPool.Capacity"/> exist at a time. So a trainer whose checkpoints are not written fast enough waits instead of
/// filling the memory.
/// </summary>
public sealed class Snapshot : IDisposable
{
    private readonly SnapshotPool _pool;
    private readonly Tensor _values, _firstMoment, _secondMoment;    // in the places that the sections say
    private readonly IDeviceMark? _copied;                           // null where a copy is done when it returns

    internal Snapshot(SnapshotPool pool, long length, bool pinned, IDeviceMark? copied)
    {
        (_pool, _copied) = (pool, copied);
        (_values, _firstMoment, _secondMoment) = (Buffer(), Buffer(), Buffer());

        // From a GPU ten times as fast into memory that stays where it is.
        Tensor Buffer()
        {
            using var scope = NewDisposeScope();
            Tensor buffer = zeros(length, dtype: ScalarType.Float32);
            return (pinned ? buffer.pin_memory() : buffer).DetachFromDisposeScope();
        }
    }

    /// <summary>Where the run stands.</summary>
    public TrainState State { get; private set; } = null!;

    /// <summary>Its configuration.</summary>
    public RunConfig Config => _pool.Config;

    /// <summary>The complete state dict; tensors live as long as the caller's dispose scope.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Weights()
    {
        _copied?.Wait();
        return [.. _pool.Entries.Select(entry =>
            KeyValuePair.Create(entry.Key, entry.Section is { } section ? FlatParameters.View(_values, section) : entry.Fixed!))];
    }

    /// <summary>The optimizer's moments, named <c>first.</c> and <c>second.</c> with the parameter's key.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Moments()
    {
        _copied?.Wait();
        return [.. _pool.Sections.SelectMany(section => new[]
        {
            KeyValuePair.Create(MomentKey.First(section), FlatParameters.View(_firstMoment, section)),
            KeyValuePair.Create(MomentKey.Second(section), FlatParameters.View(_secondMoment, section)),
        })];
    }

    /// <summary>Gives it back.</summary>
    public void Dispose() => _pool.GiveBack(this);

    /// <summary>Queues the copies.</summary>
    internal void Take(FlatParameters parameters, AdamW optimizer, TrainState state)
    {
        _values.copy_(parameters.Values, nonBlocking: true);
        _firstMoment.copy_(optimizer.FirstMoment, nonBlocking: true);
        _secondMoment.copy_(optimizer.SecondMoment, nonBlocking: true);
        _copied?.Set();
        State = state;
    }

    // libtorch keeps pinned memory until the copies into it are done.
    internal void Free()
    {
        foreach (Tensor buffer in new[] { _values, _firstMoment, _secondMoment }) buffer.Dispose();
        _copied?.Dispose();
    }
}

/// <summary>What the moments of a parameter are called in a checkpoint.</summary>
internal static class MomentKey
{
    public static string First(FlatSection section) => $"first.{section.Name}";

    public static string Second(FlatSection section) => $"second.{section.Name}";
}

/// <summary>Takes snapshots of a model and its optimizer into buffers that are used again.</summary>
internal sealed class SnapshotPool : IDisposable
{
    /// <summary>Snapshots that may be about at once: one being written, one waiting.</summary>
    public const int Capacity = 2;

    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;
    private readonly BlockingCollection<Snapshot> _free = [];
    private readonly bool _pinned;
    private int _made;

    /// <summary>Snapshots of a model whose trainable parameters are in flat buffers.</summary>
    public SnapshotPool(RunConfig config, AlproModel model, FlatParameters parameters, AdamW optimizer)
    {
        (Config, _parameters, _optimizer, _pinned) = (config, parameters, optimizer, parameters.Device.type == DeviceType.CUDA);
        Marks = _pinned ? static () => new CudaMark() : static () => null;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Sections = [.. parameters.Sections];
        Entries = [.. model.state_dict().Select(entry => parameters.SectionOf(entry.Value) is { } section
            ? (entry.Key, section, null)
            : (entry.Key, (FlatSection?)null, (Tensor?)entry.Value.cpu().clone().DetachFromDisposeScope()))];
    }

    internal RunConfig Config { get; }

    /// <summary>Makes the mark that stands behind a snapshot's copies; null where these are done when they return.</summary>
    internal Func<IDeviceMark?> Marks { private get; init; }

    internal IReadOnlyList<FlatSection> Sections { get; }

    /// <summary>The state dict: what is trained is in a section of the flat buffers, what is not never changes and is kept once.</summary>
    internal IReadOnlyList<(string Key, FlatSection? Section, Tensor? Fixed)> Entries { get; }

    /// <summary>Copies weights and moments, on a GPU when that has done what is queued; waits while all buffers are about.</summary>
    public Snapshot Take(TrainState state)
    {
        if (!_free.TryTake(out Snapshot? snapshot))
        {
            if (_made < Capacity) (snapshot, _made) = (new(this, _parameters.Length, _pinned, Marks()), _made + 1);
            else snapshot = _free.Take();
        }
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        snapshot.Take(_parameters, _optimizer, state);
        return snapshot;
    }

    /// <summary>Waits until all snapshots have been given back: they share what never changes.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _made; i++) _free.Take().Free();
        foreach ((_, _, Tensor? constant) in Entries) constant?.Dispose();
        _free.Dispose();
    }

    internal void GiveBack(Snapshot snapshot) => _free.Add(snapshot);
}
