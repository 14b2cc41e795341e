using Alpro.Training;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// The list of clips that could not be read, as a CSV file that grows as they are met; it is made with its first row. Rows that cannot be
/// written wait, and are tried again with the next.
/// </summary>
public sealed class RejectionList : IDisposable
{
    private const int MostWaiting = 10_000;

    private readonly Lock _lock = new();
    private readonly GrowingFile _rows;
    private readonly string _file;
    private readonly Action<string> _warn;

    /// <summary>A list in a file; an earlier one is continued or removed.</summary>
    public RejectionList(string file, bool append, Action<string> warn)
    {
        (_file, _rows, _warn) = (file, new(file), warn);
        if (!append) File.Delete(file);
        if (!File.Exists(file)) _rows.AddLine("corpus,row,path,reason,message,step,slot,attempt");
    }

    /// <summary>Adds a clip.</summary>
    /// <exception cref="IOException">The list cannot be written, and more of it waits than memory should hold.</exception>
    public void Add(Rejection rejection)
    {
        lock (_lock)
        {
            (int corpus, long row, long step, int slot, int attempt) =
                (rejection.Request.Corpus, rejection.Request.Row, rejection.Request.Step, rejection.Request.Slot, rejection.Request.Attempt);
            _rows.AddLine($"{corpus},{row},{Quoted(rejection.Path)},{rejection.Reason},{Quoted(rejection.Message)},{step},{slot},{attempt}");
            Write();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_rows.Waiting > 1) Write();                          // the first may be the names of the columns alone
            _rows.Dispose();
        }
    }

    private void Write()
    {
        try
        {
            _rows.Flush();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && _rows.Waiting < MostWaiting)
        {
            _warn($"{_file} NOT WRITTEN, {_rows.Waiting} rows wait in memory and are tried again with the next: {failure.Message}");
        }
    }

    private static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"").ReplaceLineEndings(" ")}\"";
}
