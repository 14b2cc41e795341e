using Alpro.Data.Media;
using Alpro.Training.Search;

namespace Alpro.Actors.Search;

/// <summary>A file whose windows have been found.</summary>
/// <param name="File">The file, with what was found when it was opened, or why it cannot be read.</param>
/// <param name="Windows">Its windows.</param>
internal sealed record SurveyedFile(IndexedFile File, IReadOnlyList<Window> Windows);

/// <summary>A window as it is written.</summary>
/// <param name="Feature_F">Its feature, normalised; none where it cannot be read.</param>
/// <param name="Tokens_MD">Its tokens; none where the index keeps none.</param>
/// <param name="Thumbnail">Its picture, a JPEG.</param>
/// <param name="Problem">Why it cannot be read; null where it can.</param>
internal sealed record EncodedWindow(Half[] Feature_F, Half[] Tokens_MD, byte[] Thumbnail, string? Problem = null);

/// <summary>Does the pieces of an indexing, one after another, here or in another process. It belongs to one caller at a time.</summary>
internal interface IWindowEncoder : IDisposable
{
    /// <summary>Opens a file, and finds its windows.</summary>
    /// <exception cref="UnreadableClipException">The other process cannot read it.</exception>
    /// <exception cref="IOException">The other process is lost, and this encoder with it.</exception>
    Task<SurveyedFile> SurveyAsync(IndexedFile file, CancellationToken stop);

    /// <summary>Decodes and encodes windows, as one batch: what else is encoded changes no bit of them.</summary>
    /// <returns>What they became, in order; of those that cannot be read, why.</returns>
    /// <exception cref="UnreadableClipException">The other process cannot read one of them.</exception>
    /// <exception cref="IOException">The other process is lost, and this encoder with it.</exception>
    Task<EncodedWindow[]> EncodeAsync(IReadOnlyList<(IndexedFile File, Window Window)> windows, CancellationToken stop);
}
