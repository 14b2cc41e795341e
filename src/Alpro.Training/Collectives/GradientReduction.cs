using Alpro.Model.Arithmetic;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// Puts the sum over all ranks in place of the gradients. Some groups can do so while the device computes. There the gradients of a block
/// go off as soon as the backward pass has left it, while the pass is in the blocks before. The others follow when the pass is over.
/// </summary>
/// <param name="parameters">The gradients.</param>
/// <param name="group">The ranks.</param>
internal sealed class GradientReduction(FlatParameters parameters, ICollectives group)
{
    private readonly Dictionary<nn.Module, (long Start, long End)[]> _ranges = [];
    private readonly HashSet<nn.Module> _entered = [];
    private readonly List<(long Start, long End)> _begun = [];

    /// <summary>1 MiB.</summary>
    public const long DefaultSmallest = 1 << 18;

    /// <summary>Elements of a piece at least: less is not worth an operation of its own.</summary>
    public long Smallest { get; init; } = DefaultSmallest;

    /// <summary>Lets the gradients go off during the backward pass of the forward pass that follows, the last of its step.</summary>
    /// <returns>To be disposed after the forward pass; null where they go off when it is over: those of weights in bfloat16 are collected
    /// then.</returns>
    public IDisposable? Behind()
    {
        _entered.Clear();
        _begun.Clear();
        return group.Overlaps && parameters.HalfLength == 0
            ? BackwardMark.Observe(module => _entered.Add(module) ? () => Begin(RangesOf(module)) : null) : null;
    }

    /// <summary>Sends what has not gone off; what comes next on the device finds all sums.</summary>
    public void Complete()
    {
        long sent = 0;
        foreach ((long start, long end) in _begun.Order().Append((parameters.Length, parameters.Length)))
        {
            Send(sent, start);
            sent = end;
        }
        group.CompleteAllReduces();
    }

    private void Begin((long Start, long End)[] ranges)
    {
#pragma warning disable CA1031 // An exception must not leave native code: the group is over, and its next operation throws this one.
        try
        {
            foreach ((long start, long end) in ranges) Send(start, end);
            _begun.AddRange(ranges);
        }
        catch (Exception exception)
        {
            group.Abort(exception);
        }
#pragma warning restore CA1031
    }

    private void Send(long start, long end)
    {
        if (start == end) return;
        using Tensor piece = parameters.Gradients.narrow(0, start, end - start);
        group.BeginAllReduce(piece);
    }

    /// <summary>Where the parameters of a module lie, in stretches that are worth it.</summary>
    private (long Start, long End)[] RangesOf(nn.Module module)
    {
        if (_ranges.TryGetValue(module, out (long, long)[]? known)) return known;
        var ranges = new List<(long Start, long End)>();
        foreach (FlatSection section in module.parameters().Select(parameters.SectionOf).OfType<FlatSection>()
            .OrderBy(section => section.Offset))
        {
            long end = FlatParameters.EndOf(section);
            if (ranges is [.., var last] && last.End == section.Offset) ranges[^1] = (last.Start, end);
            else ranges.Add((section.Offset, end));
        }
        return _ranges[module] = [.. ranges.Where(range => range.End - range.Start >= Smallest)];
    }
}
