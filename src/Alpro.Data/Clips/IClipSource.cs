using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>Turns requests into clips; one instance per decoder, used from one thread.</summary>
public interface IClipSource : IDisposable
{
    /// <summary>Makes the clip that the request names.</summary>
    /// <exception cref="UnreadableClipException">The row cannot be made into a clip.</exception>
    Clip Load(ClipRequest request);

    /// <summary>How long the last <see cref="Load"/> waited for its turn to compute, of which there are as many as decoders.</summary>
    TimeSpan Waited => TimeSpan.Zero;
}
