using System.Net.Sockets;
using System.Numerics;
using System.Runtime.InteropServices;
using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// Ranks on CPUs in a ring of TCP connections. Each sends to the next and receives from the previous, straight out of and into the tensors'
/// memory. A segment is on its way while the one before it is added up. Every frame carries the generation.
/// </summary>
internal sealed class RingCollectives : IWatchedGroup
{
    private const int SegmentLength = 1 << 20;

    private readonly RingGroup _group;
    private readonly RingTransport _transport;
    private readonly byte[] _scratch = GC.AllocateUninitializedArray<byte>(SegmentLength, pinned: true);

    private RingCollectives(RingGroup group, RingTransport transport) => (_group, _transport) = (group, transport);

    /// <inheritdoc/>
    public int Rank => _group.Rank;

    /// <inheritdoc/>
    public int World => _group.World;

    /// <inheritdoc/>
    public long Generation => _group.Generation;

    /// <inheritdoc/>
    public event Action<CollectivesException> Failed
    {
        add => _transport.End.Add(value);
        remove => _transport.End.Remove(value);
    }

    /// <summary>Forms a ring with the other ranks of a group.</summary>
    /// <param name="group">The group.</param>
    /// <param name="listener">Where this rank listens; it stays the caller's.</param>
    /// <param name="settings">How ranks connect and watch one another.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="CollectivesException">A neighbour did not come in time, or is in another generation.</exception>
    public static async Task<RingCollectives> JoinAsync(RingGroup group, Socket listener, RingSettings settings,
        CancellationToken cancel = default)
    {
        if (group.World < 2) throw new ArgumentException("A ring has two ranks at least; one rank has SoloGroup.", nameof(group));
        using var forming = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        forming.CancelAfter(settings.Forming);
        Task<RingLink> next = RingLink.Connect(group, settings, forming.Token), previous = RingLink.Accept(group, listener, settings,
            forming.Token);
        try
        {
            await await Task.WhenAny(next, previous);
            return new(group, new RingTransport(group, settings, await next, await previous));
        }
        catch
        {
            await forming.CancelAsync();
            foreach (Task<RingLink> link in new[] { next, previous })
            {
                await ((Task)link).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (link.IsCompletedSuccessfully) (await link).Dispose();
            }
            cancel.ThrowIfCancellationRequested();
            throw;
        }
    }

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor)
    {
        (long size, Action<nint, nint, int> add) = tensor.dtype switch
        {
            ScalarType.Float32 => (sizeof(float), (Action<nint, nint, int>)Add<float>),
            ScalarType.Float64 => (sizeof(double), Add<double>),
            _ => throw new ArgumentException($"Sums are of 32-bit and 64-bit floats, not of {tensor.dtype}.", nameof(tensor)),
        };
        Operation operation = Begin(RingOperation.AllReduce, tensor);
        long length = tensor.numel();
        // A chunk for each rank: once round, each rank adding its own part to what comes by; then the sums once round.
        Send(operation, Chunk(Rank));
        for (int turn = 1; turn < 2 * World - 1; turn++)
            Receive(operation, Chunk(Rank - turn), pass: turn < 2 * World - 2, turn < World ? add : null);
        End(tensor);

        (long, long) Chunk(int number)
        {
            int chunk = (number + 2 * World) % World;
            return (chunk * length / World * size, (chunk + 1) * length / World * size);
        }
    }

    /// <inheritdoc/>
    public Tensor AllGather(Tensor own)
    {
        long[] shape = own.shape;
        long rows = shape[0], length = own.numel() * own.element_size();
        shape[0] *= World;
        Tensor all = empty(shape, own.dtype);
        using (no_grad())
        using (Tensor place = all.narrow(0, Rank * rows, rows)) place.copy_(own);
        Operation operation = Begin(RingOperation.AllGather, all);
        Send(operation, Part(Rank));
        for (int turn = 1; turn < World; turn++) Receive(operation, Part(Rank - turn), pass: turn < World - 1);
        End(all);
        return all;

        (long, long) Part(int number)
        {
            int rank = (number + World) % World;
            return (rank * length, (rank + 1) * length);
        }
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int source)
    {
        Operation operation = Begin(RingOperation.Broadcast, tensor);
        (long, long) whole = (0, tensor.numel() * tensor.element_size());
        if (Rank == source) Send(operation, whole);
        else Receive(operation, whole, pass: _group.Next != source);
        End(tensor);
    }

    /// <inheritdoc/>
    public void CountOperation() => _transport.Begin();

    /// <inheritdoc/>
    public void ThrowIfOver() => _transport.End.ThrowIfOver();

    /// <inheritdoc/>
    public void Abort(Exception reason) =>
        _transport.Fail(reason as CollectivesException ?? new CollectivesException(Rank, Generation, $"ended the group: {reason.Message}",
        reason));

    /// <summary>Leaves the group. What this rank owes the others has been sent; operations that they begin without it fail.</summary>
    public void Dispose() => _transport.Dispose();

    private Operation Begin(RingOperation kind, Tensor tensor)
    {
        if (tensor.device_type != DeviceType.CPU || !tensor.is_contiguous())
            throw new ArgumentException("A ring works on contiguous tensors in the memory of the CPU.", nameof(tensor));
        return new(kind, _transport.Begin(), TensorMemory.Address(tensor));
    }

    /// <summary>Waits until all that this operation sends has left the tensor's memory, which the caller may then change.</summary>
    private void End(Tensor tensor)
    {
        _transport.Flush();
        GC.KeepAlive(tensor);
    }

    private void Send(Operation operation, (long Start, long End) bytes)
    {
        foreach (RingSegment segment in operation.Segments(bytes)) _transport.Send(segment);
    }

    private void Receive(Operation operation, (long Start, long End) bytes, bool pass, Action<nint, nint, int>? add = null)
    {
        foreach (RingSegment segment in operation.Segments(bytes))
        {
            _transport.Receive(segment, add is null ? segment.Bytes : _scratch.AsSpan(0, segment.Length));
            add?.Invoke(Marshal.UnsafeAddrOfPinnedArrayElement(_scratch, 0), segment.Buffer + (nint)segment.Position, segment.Length);
            if (pass) _transport.Send(segment);
        }
    }

    private static unsafe void Add<T>(nint from, nint to, int bytes) where T : unmanaged, INumber<T>
    {
        T* part = (T*)from, sum = (T*)to;
        int count = bytes / sizeof(T), i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count) (Vector.Load(sum + i) + Vector.Load(part + i)).Store(sum + i);
        for (; i < count; i++) sum[i] += part[i];
    }

    /// <summary>An operation under way in a tensor's memory.</summary>
    private readonly record struct Operation(RingOperation Kind, long Number, nint Buffer)
    {
        public IEnumerable<RingSegment> Segments((long Start, long End) bytes)
        {
            for (long at = bytes.Start; at < bytes.End; at += SegmentLength)
                yield return new(Buffer, Number, Kind, at, (int)Math.Min(SegmentLength, bytes.End - at));
        }
    }
}
