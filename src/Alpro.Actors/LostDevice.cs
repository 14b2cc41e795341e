using System.Runtime.InteropServices;
using Alpro.Training.Devices;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors;

/// <summary>What becomes of a process whose GPU has failed.</summary>
internal static partial class LostDevice
{
    /// <summary>
    /// Ends the process as kill -9 would, with <see cref="ExitCode.DeviceLost"/> and one event. What lies on the GPU can neither be read
    /// nor be given back, and libtorch aborts where it tries to. All that a run keeps is on disk, and made for such an end.
    /// </summary>
    public static void EndProcess(ILogger log, Exception reason)
    {
        log.DeviceLost(DeviceFaults.Words(reason));
        Exit(ExitCode.DeviceLost);
    }

    /// <summary>
    /// For an exception filter, which the runtime asks before it unwinds anything. Hands an error of a failed GPU on, or ends the process
    /// where nobody is to be told. Lets every error be caught.
    /// </summary>
    public static bool Passes(Exception error, ILogger log, Action<Exception>? lost)
    {
        if (DeviceFaults.Of(error) != DeviceFault.Lost) return true;
        if (lost is null) EndProcess(log, error);
        else lost(error);
        return true;
    }

    // Without the handlers that libraries have registered for an orderly exit.
    [LibraryImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Exit(int code);
}
