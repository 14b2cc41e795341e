using Alpro.Data.Corpora;
using Alpro.Data.Packs;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>The packer's end of the connection to one encoder of a decode node.</summary>
/// <param name="stream">The connection, over which both ends have said the same terms; this one disposes it.</param>
/// <param name="lost">Told why, when it is lost.</param>
internal sealed class RemoteEncoder(Stream stream, Action<string> lost) : IClipEncoder
{
    /// <inheritdoc/>
    public async Task<EncodedClip> EncodeAsync(VideoTextPair clip, CancellationToken cancellation)
    {
        try
        {
            await PackWire.AskAsync(stream, clip.Row, cancellation);
            return await PackWire.ReceiveAsync(stream, clip.Media.Path, cancellation);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            lost(exception.Message);
            throw new IOException(exception.Message, exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();
}
