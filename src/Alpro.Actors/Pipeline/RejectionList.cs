using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// The list of clips that could not be read: a CSV file that grows as they are met. The first row makes the file. Rows that cannot be
/// written wait, and are tried again with the next.
/// </summary>
internal sealed class RejectionList : IDisposable
{
    private const int MostWaiting = 10_000;

    private readonly Lock _lock = new();
    private readonly GrowingFile _rows;
    private readonly string _file;
    private readonly IReadOnlyList<string> _corpora;
    private readonly ILogger _log;
    private bool _named;

    /// <summary>A list in a file; an earlier one is continued or removed.</summary>
    /// <param name="file">The file.</param>
    /// <param name="corpora">Names of the corpora.</param>
    /// <param name="append">Whether an earlier list is continued.</param>
    /// <param name="log">Told of the first clip, and of rows that cannot be written and wait.</param>
    public RejectionList(string file, IReadOnlyList<string> corpora, bool append, ILogger log)
    {
        (_file, _corpora, _rows, _log) = (file, corpora, new(file), log);
        if (!append && File.Exists(file)) File.Delete(file);         // its folder may not be there yet
        if (!File.Exists(file)) _rows.AddLine(UnreadableList.Header);
    }

    /// <summary>Adds a clip.</summary>
    /// <exception cref="IOException">The list cannot be written, and more of it waits than memory should hold.</exception>
    public void Add(Rejection rejection)
    {
        lock (_lock)
        {
            if (!_named) _log.ClipUnreadable(rejection.Path, rejection.Message, _file);      // there may be thousands
            _named = true;
            ClipRequest request = rejection.Request;
            string corpus = _corpora[request.Corpus];
            _rows.AddLine(UnreadableList.Line(corpus, request.Row, rejection.Path, rejection.Reason, rejection.Message, request));
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
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException && _rows.Waiting < MostWaiting)
        {
            _log.RejectionsNotWritten(_file, _rows.Waiting, exception.Message);
        }
    }
}
