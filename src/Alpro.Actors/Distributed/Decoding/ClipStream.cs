using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Hashing;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>Sends clips over one connection of the data plane, one at a time.</summary>
/// <param name="stream">The connection.</param>
/// <param name="layout">What the clips consist of, as the other end knows it too.</param>
internal sealed class ClipSender(Stream stream, ClipLayout layout)
{
    private readonly byte[] _head = new byte[ClipFrame.MaxHead(layout)];
    private readonly byte[] _checksum = new byte[ClipFrame.ChecksumLength];
    private readonly XxHash3 _hash = new();

    /// <summary>Sends a clip, which stays the caller's; ends when the system has taken its bytes.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public async Task SendAsync(Clip clip)
    {
        (long bytesSent, TimeSpan stalled) = (0, TimeSpan.Zero);
        _hash.Reset();
        await WriteAsync(_head.AsMemory(0, ClipFrame.WriteHead(clip, layout, _head))).ConfigureAwait(false);
        for (Memory<byte> pixels = clip.Pixels; pixels.Length > 0; pixels = pixels[Math.Min(ClipFrame.Stretch, pixels.Length)..])
            await WriteAsync(pixels[..Math.Min(ClipFrame.Stretch, pixels.Length)]).ConfigureAwait(false);
        BinaryPrimitives.WriteUInt64LittleEndian(_checksum, _hash.GetCurrentHashAsUInt64());
        await stream.WriteAsync(_checksum).ConfigureAwait(false);
        ActorMetrics.Transfer("transmit", bytesSent + _checksum.Length, stalled);

        async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
        {
            _hash.Append(bytes.Span);
            long began = Stopwatch.GetTimestamp();
            await stream.WriteAsync(bytes).ConfigureAwait(false);
            stalled += Stopwatch.GetElapsedTime(began);
            bytesSent += bytes.Length;
        }
    }
}

/// <summary>
/// Receives clips from one connection of the data plane, one at a time, their pixels straight into the buffers of the clips.
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
    public async Task<Clip?> ReceiveAsync(Func<ClipRequest, bool> wanted)
    {
        (long bytesRead, TimeSpan stalled) = (0, TimeSpan.Zero);
        _hash.Reset();
        await ReadAsync(_head.AsMemory(0, ClipFrame.HeaderLength));
        stalled = TimeSpan.Zero;                                     // until the first byte nothing is under way
        ClipFrame.Header header = ClipFrame.ReadHeader(_head, layout);
        Memory<byte> annotation = _head.AsMemory(ClipFrame.HeaderLength, header.AnnotationLength);
        await ReadAsync(annotation);
        // One that is not wanted is read over, into the same room as the others.
        var clip = new Clip(header.Request, layout);
        bool keep = false;
        try
        {
            for (Memory<byte> pixels = clip.Pixels; pixels.Length > 0; pixels = pixels[Math.Min(ClipFrame.Stretch, pixels.Length)..])
                await ReadAsync(pixels[..Math.Min(ClipFrame.Stretch, pixels.Length)]);
            await stream.ReadExactlyAsync(_checksum);
            ActorMetrics.Transfer("receive", bytesRead + _checksum.Length, stalled);
            if (BinaryPrimitives.ReadUInt64LittleEndian(_checksum) != _hash.GetCurrentHashAsUInt64())
                throw new DataPlaneException($"the clip for step {header.Request.Step}, slot {header.Request.Slot} is damaged: its "
                    + "checksum differs");
            ClipFrame.ReadAnnotation(annotation.Span, numbers, clip);
            return (keep = wanted(header.Request)) ? clip : null;
        }
        finally
        {
            if (!keep) clip.Dispose();
        }

        async ValueTask ReadAsync(Memory<byte> bytes)
        {
            long began = Stopwatch.GetTimestamp();
            await stream.ReadExactlyAsync(bytes);
            stalled += Stopwatch.GetElapsedTime(began);
            bytesRead += bytes.Length;
            _hash.Append(bytes.Span);
        }
    }
}
