namespace Alpro.Actors;

/// <summary>
/// Where a process puts what only a programmer reads, so that one line is left for everybody else: a file, made when it is needed.
/// </summary>
internal static class TraceFile
{
    private static readonly Lock _lock = new();

    /// <summary>The file.</summary>
    public static string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"alpro-{Environment.ProcessId}.trace");

    /// <summary>Adds to it.</summary>
    /// <returns>Whether there was room for it.</returns>
    public static bool TryAdd(string text)
    {
        try
        {
            lock (_lock) File.AppendAllText(Path, text + Environment.NewLine);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
