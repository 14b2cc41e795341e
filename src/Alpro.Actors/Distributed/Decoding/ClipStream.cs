using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Hashing;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>Sends clips over one connection of the data plane. Used from one thread.</summary>
/// <param name="stream">The connection.</param>
/// <param name="layout">What the clips consist of, as the other end knows it too.</param>
internal sealed class ClipSender(Stream stream, ClipLayout layout)
{
    private readonly byte[] _head = new byte[ClipFrame.MaxHead(layout)];
    private readonly byte[] _checksum = new byte[ClipFrame.ChecksumLength];
    private readonly XxHash3 _hash = new();

    /// <summary>Sends a clip, which stays the caller's; returns when the system has taken its bytes.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public void Send(Clip clip)
    {
        (long bytesSent, TimeSpan stalled) = (0, TimeSpan.Zero);
        _hash.Reset();
        Write(_head.AsSpan(0, ClipFrame.WriteHead(clip, layout, _head)));
        for (Span<byte> pixels = clip.Pixels_THWC; pixels.Length > 0; pixels = pixels[Math.Min(ClipFrame.Stretch, pixels.Length)..])
            Write(pixels[..Math.Min(ClipFrame.Stretch, pixels.Length)]);
        BinaryPrimitives.WriteUInt64LittleEndian(_checksum, _hash.GetCurrentHashAsUInt64());
        stream.Write(_checksum);
        ActorMetrics.Transfer("transmit", bytesSent + _checksum.Length, stalled);

        void Write(ReadOnlySpan<byte> bytes)
        {
            _hash.Append(bytes);
            long began = Stopwatch.GetTimestamp();
            stream.Write(bytes);
            stalled += Stopwatch.GetElapsedTime(began);
            bytesSent += bytes.Length;
        }
    }
}

/// <summary>
/// Receives clips from one connection of the data plane, their pixels straight into the buffers of the clips. Used from one thread.
/// </summary>
/// <param name="stream">The connection.</param>
/// <param name="layout">What the clips consist of, as the other end knows it too.</param>
/// <param name="numbers">What the clips may name by number.</param>
internal sealed class ClipReceiver(Stream stream, ClipLayout layout, ClipNumbers numbers)
{
    private readonly byte[] _head = new byte[ClipFrame.MaxHead(layout)];
    private readonly byte[] _checksum = new byte[ClipFrame.ChecksumLength];
    private readonly XxHash3 _hash = new();

    /// <summary>Waits for the next clip; the caller disposes it.</summary>
    /// <param name="wanted">Whether a clip is waited for: others are read over, so what was asked for bounds what is held.</param>
    /// <returns>The clip, or null when it was not wanted.</returns>
    /// <exception cref="DataPlaneException">What came is not a clip of these settings, or is damaged.</exception>
    /// <exception cref="IOException">The connection is gone.</exception>
    public Clip? Receive(Func<ClipRequest, bool> wanted)
    {
        (long bytesRead, TimeSpan stalled) = (0, TimeSpan.Zero);
        _hash.Reset();
        Read(_head.AsSpan(0, ClipFrame.HeaderLength));
        stalled = TimeSpan.Zero;                                     // until the first byte nothing is under way
        ClipFrame.Header header = ClipFrame.ReadHeader(_head, layout);
        Span<byte> annotation = _head.AsSpan(ClipFrame.HeaderLength, header.AnnotationLength);
        Read(annotation);
        // One that is not wanted is read over, into the same room as the others.
        var clip = new Clip(header.Request, layout);
        bool keep = false;
        try
        {
            for (Span<byte> pixels = clip.Pixels_THWC; pixels.Length > 0; pixels = pixels[Math.Min(ClipFrame.Stretch, pixels.Length)..])
                Read(pixels[..Math.Min(ClipFrame.Stretch, pixels.Length)]);
            stream.ReadExactly(_checksum);
            ActorMetrics.Transfer("receive", bytesRead + _checksum.Length, stalled);
            if (BinaryPrimitives.ReadUInt64LittleEndian(_checksum) != _hash.GetCurrentHashAsUInt64())
                throw new DataPlaneException($"the clip for step {header.Request.Step}, slot {header.Request.Slot} is damaged: its "
                    + "checksum differs");
            ClipFrame.ReadAnnotation(annotation, numbers, clip);
            return (keep = wanted(header.Request)) ? clip : null;
        }
        finally
        {
            if (!keep) clip.Dispose();
        }

        void Read(Span<byte> bytes)
        {
            long began = Stopwatch.GetTimestamp();
            stream.ReadExactly(bytes);
            stalled += Stopwatch.GetElapsedTime(began);
            bytesRead += bytes.Length;
            _hash.Append(bytes);
        }
    }
}
