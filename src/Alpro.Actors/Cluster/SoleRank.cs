using Alpro.Training.Collectives;
using TorchSharp;

namespace Alpro.Actors.Cluster;

/// <summary>A group of one trainer that others may join: done with everything at once, until it is ended for a larger group.</summary>
internal sealed class SoleRank(long generation) : ICollectives
{
    private volatile CollectivesException? _over;

    public int Rank => 0;

    public int World => 1;

    public long Generation => generation;

    public void AllReduce(torch.Tensor tensor) => ThrowIfOver();

    public torch.Tensor AllGather(torch.Tensor own)
    {
        ThrowIfOver();
        return own;
    }

    public void Broadcast(torch.Tensor tensor, int source) => ThrowIfOver();

    public bool Any(bool here)
    {
        ThrowIfOver();
        return here;
    }

    public void Abort(Exception reason) => _over = reason as CollectivesException ?? new CollectivesException(0, generation, $"ended the group: {reason.Message}", reason);

    public void Dispose()
    {
    }

    public void ThrowIfOver()
    {
        if (_over is { } reason) throw reason;
    }
}
