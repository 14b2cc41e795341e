using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>What a kernel is compiled for.</summary>
/// <param name="Chunks">Channels over 256.</param>
/// <param name="Frames">Frames of a clip.</param>
internal readonly record struct KernelSizes(int Chunks, int Frames);

/// <summary>
/// Compiles kernels of our own, and runs them on a device. Those that do not compile are not used, and the first of them are told of.
/// </summary>
/// <param name="source">The kernels.</param>
/// <param name="warn">Told, once, that kernels do not compile.</param>
internal abstract class KernelLauncher(string source, Action<string> warn)
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 128;

    private readonly ConcurrentDictionary<KernelSizes, Lazy<(nint Module, string? Problem)>> _modules = new();
    private int _warned;

    /// <summary><c>vision.cu</c>.</summary>
    public static Lazy<string> VisionSource { get; } = new(() =>
    {
        using var reader = new StreamReader(typeof(KernelLauncher).Assembly.GetManifestResourceStream("vision.cu")!);
        return reader.ReadToEnd();
    });

    /// <summary>Why the kernels cannot be used for these sizes; null where they can. The first to ask waits for the compiler.</summary>
    public string? WhyNot(KernelSizes sizes) => Compiled(sizes).Problem;

    /// <summary>Queues a kernel, compiled for these sizes, behind the work that is queued.</summary>
    /// <param name="kernel">Its name.</param>
    /// <param name="sizes">The sizes it is compiled for, of which <see cref="WhyNot"/> says nothing.</param>
    /// <param name="blocks">Blocks of <see cref="Threads"/> threads.</param>
    /// <param name="arguments">Its arguments, a word each: addresses, integers, floats.</param>
    public abstract void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments);

    /// <summary>Compiles the kernels for these sizes, and makes them ready.</summary>
    /// <exception cref="InvalidOperationException">They do not compile; the message says why.</exception>
    protected abstract nint Compile(KernelSizes sizes, string source);

    /// <summary>What <see cref="Compile"/> gave for these sizes.</summary>
    protected nint Module(KernelSizes sizes) => Compiled(sizes).Module;

    private (nint Module, string? Problem) Compiled(KernelSizes sizes) => _modules.GetOrAdd(sizes, wanted => new(() =>
    {
        try
        {
            return (Compile(wanted, source), null);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ExternalException or EntryPointNotFoundException)
        {
            if (Interlocked.Exchange(ref _warned, 1) == 0)
                warn($"our kernels for the vision encoder cannot be used, libtorch's slower operations take their place: {exception.Message}");
            return (0, exception.Message);
        }
    })).Value;
}
