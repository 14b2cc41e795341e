using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Cluster;

/// <summary>Sends clips over one connection of the data plane. Used from one thread.</summary>
/// <param name="stream">The connection.</param>
/// <param name="clips">How the clips are made, as the other end knows it too.</param>
public sealed class ClipSender(Stream stream, ClipSettings clips)
{
    private readonly byte[] _head = new byte[ClipFrame.MaxHead(clips)];

    /// <summary>Sends a clip, which stays the caller's; returns when the system has taken its bytes.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public void Send(Clip clip)
    {
        int length = ClipFrame.WriteHead(clip, clips, _head);
        stream.Write(_head.AsSpan(0, length));
        stream.Write(clip.Pixels_THWC);
    }
}

/// <summary>
/// Receives clips from one connection of the data plane, their pixels straight into the buffers of the clips. Used from one thread.
/// </summary>
/// <param name="stream">The connection.</param>
/// <param name="clips">How the clips are made, as the other end knows it too.</param>
public sealed class ClipReceiver(Stream stream, ClipSettings clips)
{
    private readonly byte[] _head = new byte[ClipFrame.MaxHead(clips)];
    private byte[]? _unwanted;

    /// <summary>Waits for the next clip; the caller disposes it.</summary>
    /// <param name="wanted">
    /// Whether a clip is waited for. Room is made for such clips alone, so what was asked for bounds what is held here.
    /// </param>
    /// <returns>The clip, or null when it was not wanted.</returns>
    /// <exception cref="DataPlaneException">What came is not a clip of these settings, or is damaged.</exception>
    /// <exception cref="IOException">The connection is gone.</exception>
    public Clip? Receive(Func<ClipRequest, bool> wanted)
    {
        stream.ReadExactly(_head.AsSpan(0, ClipFrame.HeaderLength));
        ClipFrame.Header header = ClipFrame.ReadHeader(_head, clips);
        Span<byte> annotation = _head.AsSpan(ClipFrame.HeaderLength, header.AnnotationLength);
        stream.ReadExactly(annotation);
        if (!wanted(header.Request))
        {
            stream.ReadExactly(_unwanted ??= new byte[header.PixelsLength]);
            return null;
        }
        var clip = new Clip(header.Request, clips.Frames, clips.Size, clips.TextLength);
        try
        {
            stream.ReadExactly(clip.Pixels_THWC);
            if (ClipFrame.Checksum(_head, annotation, clip.Pixels_THWC) != header.Checksum)
                throw new DataPlaneException($"the clip for step {header.Request.Step}, slot {header.Request.Slot} is damaged: its checksum differs");
            ClipFrame.ReadAnnotation(annotation, clips, clip);
            return clip;
        }
        catch
        {
            clip.Dispose();
            throw;
        }
    }
}
