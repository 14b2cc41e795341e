using System.Runtime.InteropServices;

namespace Alpro.Training.Collectives;

/// <summary>
/// The functions of NCCL that are used, in the default stream where none is named; 2.18 has all of them, and any later version.
/// </summary>
internal sealed unsafe class NcclLibrary
{
    /// <summary>Results.</summary>
    public const int Success = 0, InvalidUsage = 5, InProgress = 7;

    /// <summary>Types of elements.</summary>
    public const int Float32 = 7, Float64 = 8;

    /// <summary>Bytes of the name by which ranks find each other.</summary>
    public const int IdLength = 128;

    private const int Uint8 = 1, Sum = 0;

    private static readonly Lazy<NcclLibrary> _default = new(() => new(Find()));

    private readonly delegate* unmanaged<int, nint> _getErrorString;
    private readonly delegate* unmanaged<nint, int> _getUniqueId, _finalize, _destroy, _abort;
    private readonly delegate* unmanaged<nint*, int, UniqueId, int, Config*, int> _initRank;
    private readonly delegate* unmanaged<nint, int*, int> _getAsyncError;
    private readonly delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int> _allReduce, _broadcast;
    private readonly delegate* unmanaged<nint, nint, nuint, int, nint, nint, int> _allGather;

    /// <summary>Takes the functions from a library that is loaded.</summary>
    /// <exception cref="EntryPointNotFoundException">It is not NCCL, or an older one.</exception>
    public NcclLibrary(nint library)
    {
        _getErrorString = (delegate* unmanaged<int, nint>)Export("ncclGetErrorString");
        _getUniqueId = (delegate* unmanaged<nint, int>)Export("ncclGetUniqueId");
        _initRank = (delegate* unmanaged<nint*, int, UniqueId, int, Config*, int>)Export("ncclCommInitRankConfig");
        _getAsyncError = (delegate* unmanaged<nint, int*, int>)Export("ncclCommGetAsyncError");
        _finalize = (delegate* unmanaged<nint, int>)Export("ncclCommFinalize");
        _destroy = (delegate* unmanaged<nint, int>)Export("ncclCommDestroy");
        _abort = (delegate* unmanaged<nint, int>)Export("ncclCommAbort");
        _allReduce = (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclAllReduce");
        _broadcast = (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclBroadcast");
        _allGather = (delegate* unmanaged<nint, nint, nuint, int, nint, nint, int>)Export("ncclAllGather");

        nint Export(string name) => NativeLibrary.GetExport(library, name);
    }

    /// <summary>The one that comes with libtorch.</summary>
    public static NcclLibrary Default => _default.Value;

    /// <summary>The text of a result.</summary>
    public string ErrorOf(int result) => Marshal.PtrToStringUTF8(_getErrorString(result))!;

    /// <summary>Makes the name of a new group.</summary>
    public int GetUniqueId(nint id) => _getUniqueId(id);

    /// <summary>Begins to meet the other ranks; in progress until all are there.</summary>
    public int Begin(out nint communicator, int world, nint id, int rank)
    {
        var config = new Config();
        nint made = 0;
        int result = _initRank(&made, world, *(UniqueId*)id, rank, &config);
        communicator = made;
        return result;
    }

    /// <summary>How the last call that was in progress stands, or what has gone wrong since.</summary>
    public int AsyncError(nint communicator)
    {
        int state, result = _getAsyncError(communicator, &state);
        return result == Success ? state : result;
    }

    /// <summary>Puts the sum over all ranks in a tensor's place.</summary>
    public int AllReduce(nint memory, nuint count, int type, nint communicator, nint stream) =>
        _allReduce(memory, memory, count, type, Sum, communicator, stream);

    /// <summary>Brings the bytes of all ranks together.</summary>
    public int AllGather(nint own, nint all, nuint bytes, nint communicator) => _allGather(own, all, bytes, Uint8, communicator, 0);

    /// <summary>Gives the bytes of one rank to all.</summary>
    public int Broadcast(nint memory, nuint bytes, int source, nint communicator) =>
        _broadcast(memory, memory, bytes, Uint8, source, communicator, 0);

    /// <summary>Flushes; in progress until all that was begun is done.</summary>
    public int Finish(nint communicator) => _finalize(communicator);

    /// <summary>Frees a communicator that is finished.</summary>
    public int Destroy(nint communicator) => _destroy(communicator);

    /// <summary>Ends what is under way, and frees.</summary>
    public int Abort(nint communicator) => _abort(communicator);

    /// <summary>TorchSharp's package has NCCL inside libtorch_cuda.so; PyTorch's libraries have it beside them.</summary>
    private static nint Find()
    {
        bool inside = TryLoad("libtorch_cuda.so", out nint library) && NativeLibrary.TryGetExport(library, "ncclGetUniqueId", out _);
        return inside || TryLoad("libnccl.so.2", out library) ? library
            :
            throw new DllNotFoundException(
            "NCCL is not in libtorch_cuda.so, and libnccl.so.2 was not found; expected its folder on LD_LIBRARY_PATH");

        static bool TryLoad(string name, out nint library) =>
            NativeLibrary.TryLoad(name, typeof(NcclLibrary).Assembly, null, out library);
    }

    private struct UniqueId
    {
        public fixed byte Internal[IdLength];
    }

    /// <summary>
    /// The first fields of ncclConfig_t, as they were in 2.14 and are in all since. A library copies as many bytes as <see cref="Size"/>
    /// says, and takes its own defaults for what is younger than <see cref="Version"/>. Both are those of 2.14, whatever is loaded.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Config()
    {
        public nuint Size = (nuint)sizeof(Config);
        public uint Magic = 0xcafebeef, Version = 2_14_00;
        public int Blocking = 0;

        /// <summary>Padding in 2.14, and cgaClusterSize since 2.17: not given.</summary>
        public int Undefined = int.MinValue;
    }
}
