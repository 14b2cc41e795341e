using System.Diagnostics;
using System.Runtime.InteropServices;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

/// <summary>NCCL for tensors on CPUs (nccl-stand-in.c), compiled once.</summary>
internal static unsafe class NcclStandIn
{
    private static readonly Lazy<nint> _library = new(() => NativeLibrary.Load(Compile()));

    /// <summary>How often a communicator was used by two threads at once, or after it was freed.</summary>
    public static int Misuses => ((delegate* unmanaged<int>)NativeLibrary.GetExport(_library.Value, "standInMisuses"))();

    /// <summary>A group over a ring, on the calling thread, which is the rank's from then on.</summary>
    public static NcclCollectives Over(ICollectives ring) => new((IWatchedGroup)ring, new NcclLibrary(_library.Value), DeviceType.CPU);

    /// <summary>The same, which waits after each operation until it is done: nobody else waits for what is no device.</summary>
    public static ICollectives Waiting(ICollectives ring) => new Synchronized(Over(ring));

    /// <summary>Waits, as for a device, for the operations that the calling thread's rank has begun.</summary>
    public static void Synchronize() => ((delegate* unmanaged<void>)NativeLibrary.GetExport(_library.Value, "standInSynchronize"))();

    private static string Compile()
    {
        string source = Path.Combine(Locations.Root, "tests", "Alpro.Training.Tests", "Collectives", "nccl-stand-in.c");
        string made = Path.Combine(AppContext.BaseDirectory, "nccl-stand-in.so"), aside = $"{made}.{Environment.ProcessId}";
        if (File.Exists(made) && File.GetLastWriteTimeUtc(made) > File.GetLastWriteTimeUtc(source)) return made;
        using Process compiler = Process.Start("cc", ["-O1", "-shared", "-fPIC", "-pthread", source, "-o", aside, "-lrt"]);
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        File.Move(aside, made, overwrite: true);
        return made;
    }

    private sealed class Synchronized(ICollectives group) : ICollectives
    {
        public int Rank => group.Rank;

        public int World => group.World;

        public long Generation => group.Generation;

        public bool Overlaps => group.Overlaps;

        public void AllReduce(Tensor tensor)
        {
            group.AllReduce(tensor);
            CompleteAllReduces();
        }

        public void BeginAllReduce(Tensor tensor) => group.BeginAllReduce(tensor);

        public void CompleteAllReduces()
        {
            Synchronize();
            group.ThrowIfOver();
        }

        public Tensor AllGather(Tensor own)
        {
            Tensor all = group.AllGather(own);
            CompleteAllReduces();
            return all;
        }

        public void Broadcast(Tensor tensor, int source)
        {
            group.Broadcast(tensor, source);
            CompleteAllReduces();
        }

        public void ThrowIfOver() => group.ThrowIfOver();

        public void Abort(Exception reason) => group.Abort(reason);

        public void Dispose() => group.Dispose();
    }
}

/// <summary>A fact that needs a C compiler: skipped, with a message, where there is none.</summary>
public sealed class CompilerFactAttribute : FactAttribute
{
    public CompilerFactAttribute()
    {
        bool found = Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "cc")));
        if (!found) Skip = "needs a C compiler (cc)";
    }
}
