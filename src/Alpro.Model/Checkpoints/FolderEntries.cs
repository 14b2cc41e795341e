using System.Runtime.InteropServices;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// The names in a folder. They are on the disk only when the folder has been flushed: a file's own flush is not enough after a power cut.
/// </summary>
internal static partial class FolderEntries
{
    private const int InvalidArgument = 22;                          // file systems that have nothing to flush

    /// <summary>Brings the names in a folder to the disk: what was made, renamed and removed there.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows()) return;                     // it keeps a log of them
        int handle = Open(folder, 0);
        try
        {
            if (handle < 0 || (Sync(handle) != 0 && Marshal.GetLastPInvokeError() != InvalidArgument))
                throw new IOException($"{folder}: the names in it cannot be brought to the disk: {Marshal.GetLastPInvokeErrorMessage()}");
        }
        finally
        {
            if (handle >= 0) _ = Close(handle);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
