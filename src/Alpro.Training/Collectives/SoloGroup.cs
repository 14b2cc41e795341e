using TorchSharp;

namespace Alpro.Training.Collectives;

/// <summary>A group of one rank: every operation is done at once, until the group is ended, as for a larger one.</summary>
/// <param name="generation">Its number among the run's groups; 0 where one process trains alone.</param>
public sealed class SoloGroup(long generation = 0) : IWatchedGroup
{
    private readonly GroupEnd _end = new();

    /// <inheritdoc/>
    public event Action<CollectivesException> Failed
    {
        add => _end.Add(value);
        remove => _end.Remove(value);
    }

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int World => 1;

    /// <inheritdoc/>
    public long Generation => generation;

    /// <inheritdoc/>
    public void AllReduce(torch.Tensor tensor) => ThrowIfOver();

    /// <inheritdoc/>
    public torch.Tensor AllGather(torch.Tensor own)
    {
        ThrowIfOver();
        return own;
    }

    /// <inheritdoc/>
    public void Broadcast(torch.Tensor tensor, int source) => ThrowIfOver();

    /// <inheritdoc/>
    public void CountOperation() => ThrowIfOver();

    /// <inheritdoc/>
    public bool Any(bool here)
    {
        ThrowIfOver();
        return here;
    }

    /// <inheritdoc/>
    public void Abort(Exception reason)
    {
        var end = reason as CollectivesException ?? new CollectivesException(0, generation, $"ended the group: {reason.Message}", reason);
        if (_end.TrySet(end)) _end.Tell();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <inheritdoc/>
    public void ThrowIfOver() => _end.ThrowIfOver();
}
