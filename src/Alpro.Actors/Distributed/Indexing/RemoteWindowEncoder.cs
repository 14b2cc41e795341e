using Alpro.Actors.Search;
using Alpro.Training.Search;

namespace Alpro.Actors.Distributed.Indexing;

/// <summary>The indexing process's end of the connection to one window encoder of a node.</summary>
/// <param name="stream">The connection, over which both ends have said the same terms; this one disposes it.</param>
/// <param name="terms">The terms.</param>
/// <param name="lost">Told why, when it is lost.</param>
internal sealed class RemoteWindowEncoder(Stream stream, IndexTerms terms, Action<string> lost) : IWindowEncoder
{
    /// <inheritdoc/>
    public Task<SurveyedFile> SurveyAsync(IndexedFile file, CancellationToken stop) =>
        AskAsync(new([new(file.Name, file.Size)], [], []), () => IndexWire.ReceiveAsync(stream, file, stop), stop);

    /// <inheritdoc/>
    public Task<EncodedWindow[]> EncodeAsync(IReadOnlyList<(IndexedFile File, Window Window)> windows, CancellationToken stop) => AskAsync(
        new([.. windows.Select(row => new NamedFile(row.File.Name, row.File.Size))], [.. windows.Select(row => row.File.Info)],
            [.. windows.Select(row => row.Window)]),
        () => IndexWire.ReceiveAsync(stream, windows[0].File.Media.Path, windows.Count, terms, stop), stop);

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private async Task<T> AskAsync<T>(IndexAsk ask, Func<Task<T>> receive, CancellationToken stop)
    {
        try
        {
            await IndexWire.AskAsync(stream, ask, stop);
            return await receive();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            lost(exception.Message);
            throw new IOException(exception.Message, exception);
        }
    }
}
