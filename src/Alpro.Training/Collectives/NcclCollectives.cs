using System.Runtime.InteropServices;
using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// Ranks on GPUs, one process for each, whose tensors NCCL adds up; what lies in the memory of the CPU goes round the ring, which also
/// watches over the ranks: NCCL does not notice one that is gone, so the end of the ring ends what it has begun. Operations return before
/// the GPU has done them, in the order of its default stream, where TorchSharp's are; see <see cref="ICollectives.ThrowIfOver"/>.
/// </summary>
/// <remarks>
/// Written by NCCL's documentation (these functions are there since 2.4) and not run yet: it needs two GPUs. Each process uses the first it
/// sees (<c>CUDA_VISIBLE_DEVICES</c>).
/// </remarks>
public sealed partial class NcclCollectives : ICollectives
{
    private const string Library = "nccl";
    private const int Success = 0, Uint8 = 1, Float32 = 7, Float64 = 8, Sum = 0, IdLength = 128;

    private readonly RingCollectives _ring;
    private nint _communicator;

    static NcclCollectives() => NativeLibrary.SetDllImportResolver(typeof(NcclCollectives).Assembly, static (name, _, _) => name == Library ? Load() : 0);

    /// <summary>A group on the current GPU of each rank.</summary>
    /// <param name="ring">The same group on CPUs; it is disposed with this one.</param>
    public unsafe NcclCollectives(RingCollectives ring)
    {
        _ring = ring;
        using Tensor id = zeros(IdLength, ScalarType.Byte);
        if (Rank == 0) Check(GetUniqueId(TensorMemory.Address(id)));
        ring.Broadcast(id, source: 0);
        Check(CommInitRank(out _communicator, World, *(UniqueId*)TensorMemory.Address(id), Rank));
        ring.Failed += _ => End();
    }

    /// <inheritdoc/>
    public int Rank => _ring.Rank;

    /// <inheritdoc/>
    public int World => _ring.World;

    /// <inheritdoc/>
    public long Generation => _ring.Generation;

    /// <summary>The collectives for tensors on a device.</summary>
    public static ICollectives On(Device device, RingCollectives ring) => device.type == DeviceType.CUDA ? new NcclCollectives(ring) : ring;

    /// <inheritdoc/>
    public void AllReduce(Tensor tensor)
    {
        if (tensor.device_type == DeviceType.CPU)
        {
            _ring.AllReduce(tensor);
            return;
        }
        int type = tensor.dtype switch
        {
            ScalarType.Float32 => Float32,
            ScalarType.Float64 => Float64,
            _ => throw new ArgumentException($"Sums are of 32-bit and 64-bit floats, not of {tensor.dtype}.", nameof(tensor)),
        };
        nint memory = Memory(tensor);
        Check(AllReduce(memory, memory, (nuint)tensor.numel(), type, Sum, _communicator, 0));
        GC.KeepAlive(tensor);
    }

    /// <inheritdoc/>
    public Tensor AllGather(Tensor own)
    {
        if (own.device_type == DeviceType.CPU) return _ring.AllGather(own);
        long[] shape = own.shape;
        shape[0] *= World;
        Tensor all = empty(shape, own.dtype, own.device);
        Check(AllGather(Memory(own), Memory(all), (nuint)(own.numel() * own.element_size()), Uint8, _communicator, 0));
        GC.KeepAlive(own);
        return all;
    }

    /// <inheritdoc/>
    public void Broadcast(Tensor tensor, int source)
    {
        if (tensor.device_type == DeviceType.CPU)
        {
            _ring.Broadcast(tensor, source);
            return;
        }
        nint memory = Memory(tensor);
        Check(Broadcast(memory, memory, (nuint)(tensor.numel() * tensor.element_size()), Uint8, source, _communicator, 0));
        GC.KeepAlive(tensor);
    }

    /// <inheritdoc/>
    public void ThrowIfOver() => _ring.ThrowIfOver();

    /// <inheritdoc/>
    public void Abort(Exception reason) => _ring.Abort(reason);

    /// <inheritdoc/>
    public void Dispose()
    {
        End();
        _ring.Dispose();
    }

    private nint Memory(Tensor tensor)
    {
        _ring.ThrowIfOver();
        return tensor.is_contiguous() ? TensorMemory.Address(tensor) : throw new ArgumentException("Collectives work on contiguous tensors.", nameof(tensor));
    }

    private void Check(int result)
    {
        if (result == Success) return;
        _ring.ThrowIfOver();                                         // the reason, where it is known
        throw new CollectivesException(Rank, Generation, $"met an error of NCCL: {Marshal.PtrToStringUTF8(GetErrorString(result))}");
    }

    /// <summary>Ends what is under way and gives everything back; whether that succeeds matters to nobody any more.</summary>
    private void End()
    {
        nint communicator = Interlocked.Exchange(ref _communicator, 0);
        if (communicator != 0) _ = CommAbort(communicator);
    }

    /// <summary>TorchSharp's package has NCCL inside libtorch_cuda.so; PyTorch's libraries have it beside them.</summary>
    private static nint Load() =>
        NativeLibrary.TryLoad("libtorch_cuda.so", typeof(NcclCollectives).Assembly, null, out nint torch) && NativeLibrary.TryGetExport(torch, "ncclGetUniqueId", out _)
            ? torch : NativeLibrary.Load("libnccl.so.2", typeof(NcclCollectives).Assembly, null);

    private unsafe struct UniqueId
    {
        public fixed byte Internal[IdLength];
    }

    [LibraryImport(Library, EntryPoint = "ncclGetErrorString")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint GetErrorString(int result);

    [LibraryImport(Library, EntryPoint = "ncclGetUniqueId")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetUniqueId(nint id);

    [LibraryImport(Library, EntryPoint = "ncclCommInitRank")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CommInitRank(out nint communicator, int world, UniqueId id, int rank);

    [LibraryImport(Library, EntryPoint = "ncclCommAbort")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CommAbort(nint communicator);

    [LibraryImport(Library, EntryPoint = "ncclAllReduce")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AllReduce(nint from, nint to, nuint count, int type, int operation, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclAllGather")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int AllGather(nint from, nint to, nuint count, int type, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclBroadcast")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Broadcast(nint from, nint to, nuint count, int type, int source, nint communicator, nint stream);
}
