using System.Runtime.InteropServices;

namespace Alpro.Benchmarks;

/// <summary>CPU time of the calling thread: what compares on a busy machine.</summary>
internal static partial class ThreadClock
{
    public static long Nanoseconds()
    {
        Span<long> time = stackalloc long[2];
        const int thisThread = 3;
        if (GetTime(thisThread, time) != 0) throw new InvalidOperationException("clock_gettime failed");
        return time[0] * 1_000_000_000 + time[1];
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, Span<long> secondsAndNanoseconds);
}
