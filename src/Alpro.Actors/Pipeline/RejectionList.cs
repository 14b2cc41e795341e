namespace Alpro.Actors.Pipeline;

/// <summary>The list of clips that could not be read, as a CSV file that grows as they are met; it is made with its first row.</summary>
public sealed class RejectionList : IDisposable
{
    private readonly Lock _lock = new();
    private readonly string _file;
    private StreamWriter? _writer;

    /// <summary>A list in a file; an earlier one is continued or removed.</summary>
    public RejectionList(string file, bool append)
    {
        _file = file;
        if (!append) File.Delete(file);
    }

    /// <summary>Adds a clip.</summary>
    public void Add(Rejection rejection)
    {
        lock (_lock)
        {
            if (_writer is null)
            {
                _writer = new StreamWriter(_file, append: true) { AutoFlush = true };
                if (_writer.BaseStream.Length == 0) _writer.WriteLine("corpus,row,path,reason,message,step,slot,attempt");
            }
            (int corpus, long row, long step, int slot, int attempt) =
                (rejection.Request.Corpus, rejection.Request.Row, rejection.Request.Step, rejection.Request.Slot, rejection.Request.Attempt);
            _writer.WriteLine($"{corpus},{row},{Quoted(rejection.Path)},{rejection.Reason},{Quoted(rejection.Message)},{step},{slot},{attempt}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writer?.Dispose();

    private static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"").ReplaceLineEndings(" ")}\"";
}
