using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Data;

/// <summary>
/// Where the time of a thread went, as the Linux scheduler counts it: it ran, or it wanted to and another thread had the processor. What is
/// left of the time on the wall, it waited for something else: a disk, a network, another thread.
/// </summary>
/// <param name="Running">Seconds on a processor.</param>
/// <param name="Queued">Seconds in which it could run, and waited for a processor.</param>
public readonly record struct ThreadTimes(double Running, double Queued)
{
    [ThreadStatic]
    private static SafeFileHandle? _counts;

    /// <summary>Seconds in which it ran or could have run.</summary>
    public double Wanted => Running + Queued;

    /// <summary>The times of the calling thread so far; null where the system does not count them.</summary>
    public static ThreadTimes? OfThisThread()
    {
        try
        {
            _counts ??= File.OpenHandle("/proc/thread-self/schedstat");
            Span<byte> text = stackalloc byte[96];
            text = text[..RandomAccess.Read(_counts, text, 0)];
            return Utf8Parser.TryParse(text, out long running, out int length) && text.Length > length
                && Utf8Parser.TryParse(text[(length + 1)..], out long queued, out _) ? new(running / 1e9, queued / 1e9) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>The times between two readings of one thread.</summary>
    public static ThreadTimes operator -(ThreadTimes after, ThreadTimes before) =>
        new(after.Running - before.Running, after.Queued - before.Queued);
}
