using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>The list of clips that could not be read, as a CSV file that grows as they are met; it is made with its first row.</summary>
public sealed class RejectionList : IDisposable
{
    private readonly Lock _lock = new();
    private readonly string _file;
    private readonly IReadOnlyList<string> _corpora;
    private StreamWriter? _writer;

    /// <summary>A list in a file; an earlier one is continued or removed.</summary>
    /// <param name="file">The file.</param>
    /// <param name="corpora">Names of the corpora.</param>
    /// <param name="append">Whether an earlier list is continued.</param>
    public RejectionList(string file, IReadOnlyList<string> corpora, bool append)
    {
        (_file, _corpora) = (file, corpora);
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
                if (_writer.BaseStream.Length == 0) _writer.WriteLine(UnreadableList.Header);
            }
            ClipRequest request = rejection.Request;
            string corpus = _corpora[request.Corpus];
            _writer.WriteLine(UnreadableList.Line(corpus, request.Row, rejection.Path, rejection.Reason, rejection.Message, request));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writer?.Dispose();
}
