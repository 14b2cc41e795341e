using System.Runtime.InteropServices;
using Alpro.Training.Devices;

namespace Alpro.Actors;

/// <summary>What becomes of a process whose GPU has failed.</summary>
internal static partial class LostDevice
{
    /// <summary>
    /// Ends the process as kill -9 would, with <see cref="ExitCode.DeviceLost"/> and one sentence. What lies on the GPU can neither be read nor be
    /// given back, and libtorch aborts where it tries to; all that a run keeps is on disk, and made for such an end.
    /// </summary>
    public static void EndProcess(Exception reason)
    {
        Console.Error.WriteLine(Sentence(reason));
        Exit(ExitCode.DeviceLost);
    }

    /// <summary>Told to whoever looks at the end of the process.</summary>
    public static string Sentence(Exception reason) =>
        $"alpro: the GPU has failed, and this process cannot use it any more: {DeviceFaults.Words(reason)}; "
        + "start the same command again, a run with --resume (in a cluster the other trainers go on)";

    /// <summary>
    /// For an exception filter, which is asked before anything is unwound: hands an error of a failed GPU on, and lets every error be caught.
    /// </summary>
    public static bool Passes(Exception error, Action<Exception> lost)
    {
        if (DeviceFaults.Of(error) == DeviceFault.Lost) lost(error);
        return true;
    }

    // Without the handlers that libraries have registered for an orderly exit.
    [LibraryImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Exit(int code);
}
