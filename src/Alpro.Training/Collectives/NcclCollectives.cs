using Alpro.Model.Arithmetic;
using Alpro.Training.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// Ranks on GPUs, one process for each, whose tensors NCCL adds up. What lies in the memory of the CPU goes round the ring, which also
/// watches over the ranks. NCCL does not notice a rank that is gone, so the end of the ring ends what NCCL has begun. Operations return
/// before the GPU has done them, in the order of its default stream, where TorchSharp's are; see <see cref="ICollectives.ThrowIfOver"/>.
/// </summary>
/// <remarks>
/// A communicator belongs to one thread at a time, and is freed while others may want it. So every call is made under a lock that the end
/// takes too. No call may take long, so NCCL is told not to block. It does on a thread of its own what waits for other ranks. It is asked
/// until it is through, or the group is over. Each process uses the first GPU that it sees.
/// </remarks>
internal sealed class NcclCollectives : ICollectives
{
    /// <summary>How often to ask before the processor is left to others for a millisecond: ranks that are all there need less.</summary>
    private const int AsksBeforeSleep = 1000;

    /// <summary>NCCL may meet the end of a peer before the ring does, which can name it.</summary>
    private static readonly TimeSpan _nameTime = TimeSpan.FromMilliseconds(200);

    /// <summary>How soon an error is known that NCCL meets while the GPU waits for it.</summary>
    private static readonly TimeSpan _watchEvery = TimeSpan.FromSeconds(1);

    private readonly IWatchedGroup _ring;
    private readonly NcclLibrary _nccl = null!;                     // until it is found; without it there is no communicator
    private readonly DeviceType _device;
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _over = new();
    private readonly Timer _watch;
    private readonly SideStream? _side;                              // null in place of a GPU
    private nint _communicator;

    /// <summary>A group on the current GPU of each rank.</summary>
    /// <param name="ring">The same group on CPUs; it is disposed with this one.</param>
    /// <exception cref="CollectivesException">The group is over: a rank was lost meanwhile, or NCCL failed on one.</exception>
    public NcclCollectives(IWatchedGroup ring)
        : this(ring, null, DeviceType.CUDA)
    {
    }

    /// <summary>A group for the tensors of one type of device, by whatever has NCCL's functions.</summary>
    internal NcclCollectives(IWatchedGroup ring, NcclLibrary? library, DeviceType device)
    {
        (_ring, _device, _watch) = (ring, device, new(_ => Watch()));
        ring.Failed += OnFailed;
        try
        {
            NcclLibrary nccl = _nccl = library ?? NcclLibrary.Default;
            using Tensor id = zeros(NcclLibrary.IdLength, ScalarType.Byte);
            nint name = TensorMemory.Address(id);
            if (Rank == 0) Call(_ => nccl.GetUniqueId(name));
            if (device == DeviceType.CUDA) _side = new();
            ring.Broadcast(id, source: 0);
            Call(_ => nccl.Begin(out _communicator, World, name, Rank));
        }
        catch (Exception exception)
        {
            ring.Abort(exception);                                      // the others would wait for this rank in NCCL
            Dispose();
            throw;
        }
        _watch.Change(_watchEvery, _watchEvery);
    }

    /// <inheritdoc/>
    public int Rank => _ring.Rank;

    /// <inheritdoc/>
    public int World => _ring.World;

    /// <inheritdoc/>
    public long Generation => _ring.Generation;

    /// <summary>The collectives for tensors on a device.</summary>
    public static ICollectives On(Device device, IWatchedGroup ring) => device.type == DeviceType.CUDA ? new NcclCollectives(ring) : ring;

    /// <inheritdoc/>
    public bool Overlaps => true;

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor)
    {
        if (tensor.device_type == _device) AllReduce(tensor, stream: 0);
        else _ring.AllReduce(tensor);
    }

    /// <inheritdoc/>
    public void BeginAllReduce(Tensor tensor)
    {
        _side?.WaitForDefault();
        AllReduce(tensor, _side?.Handle ?? 0);
    }

    /// <inheritdoc/>
    public void CompleteAllReduces() => _side?.LetDefaultWait();

    private void AllReduce(Tensor tensor, nint stream)
    {
        int type = tensor.dtype switch
        {
            ScalarType.Float32 => NcclLibrary.Float32,
            ScalarType.Float64 => NcclLibrary.Float64,
            _ => throw new ArgumentException($"Sums are of 32-bit and 64-bit floats, not of {tensor.dtype}.", nameof(tensor)),
        };
        nint memory = Memory(tensor);
        var count = (nuint)tensor.numel();
        Operate(communicator => _nccl.AllReduce(memory, count, type, communicator, stream), tensor);
    }

    /// <inheritdoc/>
    public Tensor AllGather(Tensor own)
    {
        if (own.device_type != _device) return _ring.AllGather(own);
        nint memory = Memory(own);
        long[] shape = own.shape;
        shape[0] *= World;
        Tensor all = empty(shape, own.dtype, own.device);
        nint whole = Memory(all);
        nuint bytes = Bytes(own);
        Operate(communicator => _nccl.AllGather(memory, whole, bytes, communicator), own);
        return all;
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int source)
    {
        if (tensor.device_type != _device)
        {
            _ring.Broadcast(tensor, source);
            return;
        }
        nint memory = Memory(tensor);
        nuint bytes = Bytes(tensor);
        Operate(communicator => _nccl.Broadcast(memory, bytes, source, communicator), tensor);
    }

    /// <inheritdoc/>
    public void ThrowIfOver() => _ring.ThrowIfOver();

    /// <inheritdoc/>
    public void Abort(Exception reason) => _ring.Abort(reason);

    /// <summary>Leaves the group. What this rank has begun is done first, unless the group is over.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        try
        {
            if (_communicator != 0) Call(_nccl.Finish);
            Free(finished: true);
        }
        catch (CollectivesException)
        {
            Free(finished: false);                                   // it was over before
        }
        _side?.Dispose();
        _ring.Dispose();
    }

    private static nint Memory(Tensor tensor) => tensor.is_contiguous() ? TensorMemory.Address(tensor)
        : throw new ArgumentException("Collectives work on contiguous tensors.", nameof(tensor));

    private static nuint Bytes(Tensor tensor) => (nuint)(tensor.numel() * tensor.element_size());

    private void Operate(Func<nint, int> operation, Tensor tensor)
    {
        _ring.CountOperation();
        Call(operation);
        GC.KeepAlive(tensor);
    }

    /// <summary>Makes a call, and returns when NCCL is through with it: the operation is in the GPU's queue.</summary>
    private void Call(Func<nint, int> call)
    {
        int result;
        lock (_lock)
        {
            _ring.ThrowIfOver();
            result = call(_communicator);
        }
        for (var wait = new SpinWait(); result == NcclLibrary.InProgress; wait.SpinOnce(AsksBeforeSleep)) result = Ask();
        if (result == NcclLibrary.Success) return;
        Fail(result);
        _ring.ThrowIfOver();
    }

    private int Ask()
    {
        lock (_lock)
        {
            _ring.ThrowIfOver();
            return _communicator == 0 ? NcclLibrary.Success : _nccl.AsyncError(_communicator);
        }
    }

    /// <summary>Ends the group if NCCL has met an error while the GPU goes on waiting.</summary>
    private void Watch()
    {
        try
        {
            if (Ask() is var result and not (NcclLibrary.Success or NcclLibrary.InProgress)) Fail(result);
        }
        catch (CollectivesException)
        {
            // Whoever uses the group will have it.
        }
    }

    private void Fail(int result)
    {
        _over.Wait(_nameTime);
        string hint = result == NcclLibrary.InvalidUsage ? "; two ranks on one GPU are such a use, alpro node --gpu gives each one" : "";
        _ring.Abort(new CollectivesException(Rank, Generation, $"met an error of NCCL: {_nccl.ErrorOf(result)}{hint}"));
    }

    private void OnFailed(CollectivesException reason)
    {
        _over.Set();
        Free(finished: false);
    }

    /// <summary>Gives the communicator back, whoever comes first to do it; whether that succeeds matters to nobody any more.</summary>
    private void Free(bool finished)
    {
        nint communicator;
        lock (_lock) (communicator, _communicator) = (_communicator, 0);
        if (communicator != 0) _ = finished ? _nccl.Destroy(communicator) : _nccl.Abort(communicator);
    }
}
