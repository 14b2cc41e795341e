using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Data.Packs;

/// <summary>Encodes one clip of a corpus after another, here or in another process. An instance belongs to one caller at a time.</summary>
internal interface IClipEncoder : IDisposable
{
    /// <summary>Encodes a clip.</summary>
    /// <param name="clip">A row about it.</param>
    /// <param name="cancellation">Ends it; the encoder is then of no more use.</param>
    /// <exception cref="UnreadableClipException">The source cannot be read there.</exception>
    /// <exception cref="DataException">The <c>ffmpeg</c> command of this process fails, or there is none.</exception>
    /// <exception cref="IOException">The other process is lost, and this encoder with it.</exception>
    Task<EncodedClip> EncodeAsync(VideoTextPair clip, CancellationToken cancellation);
}
