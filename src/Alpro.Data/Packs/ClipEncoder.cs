using System.Buffers;
using System.Globalization;
using System.IO.Hashing;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using FFMpegCore;
using FFMpegCore.Exceptions;
using FFMpegCore.Pipes;

namespace Alpro.Data.Packs;

/// <summary>A clip as it is packed.</summary>
/// <param name="Bytes">The MP4, or the JPEG.</param>
/// <param name="Clip">What the index says of it.</param>
internal sealed record EncodedClip(byte[] Bytes, PackedClip Clip);

/// <summary>
/// Re-encodes one clip after another, each frame a key frame. The reader decodes the wanted frames, and the <c>ffmpeg</c> command encodes
/// them, in one thread: the same source makes the same bytes. An instance belongs to one caller at a time.
/// </summary>
/// <param name="settings">How clips are packed.</param>
/// <param name="reader">Reads the sources; this one disposes it.</param>
/// <param name="scratch">Path of a file that the command writes.</param>
internal sealed class ClipEncoder(PackSettings settings, IFrameReader reader, string scratch) : IClipEncoder
{
    private const int DefaultCrf = 23, DefaultScale = 3;

    /// <inheritdoc/>
    public async Task<EncodedClip> EncodeAsync(VideoTextPair clip, CancellationToken cancellation)
    {
        (MediaSource media, MediaKind kind) = (clip.Media, clip.Kind);
        VideoInfo source = reader.Open(media);
        (int width, int height) = settings.SizeOf(source, kind);
        FramePipe frames = new(reader, settings.FramesOf(source), width, height, PackSettings.FilterOf(kind), settings.RateOf(source));
        try
        {
            await FfmpegCommand.RunAsync(FFMpegArguments.FromPipeInput(frames).OutputToFile(scratch, overwrite: true,
                options => options.WithCustomArgument($"{FfmpegCommand.Deterministic} {Arguments(kind)}")), cancellation)
                .ConfigureAwait(false);
        }
        catch (FFMpegException) when (frames.Trouble is not null) { }    // it had no frame to encode, for the reason below
        catch (Exception exception) when (exception is FFMpegException or IOException or AggregateException)
        {
            cancellation.ThrowIfCancellationRequested();             // a command that is stopped breaks its pipe
            throw new DataException($"{media.Path}: the ffmpeg command does not encode it: {exception.Message}", exception);
        }
        if (frames.Trouble is { } trouble) throw new UnreadableClipException(trouble.Reason, trouble.Path, trouble.Finding, trouble);

        byte[] bytes = await File.ReadAllBytesAsync(scratch, cancellation).ConfigureAwait(false);
        (int first, int[] sizes, byte[] header) = kind == MediaKind.Image ? (0, [bytes.Length], []) : Mp4Frames.Find(bytes);
        if (sizes.Length != frames.Count)
            throw new DataException($"{media.Path}: the ffmpeg command made {sizes.Length} frames of {frames.Count}");
        uint[] checksums = new uint[sizes.Length];
        for (int i = 0, at = first; i < sizes.Length; at += sizes[i++]) checksums[i] = Crc32.HashToUInt32(bytes.AsSpan(at, sizes[i]));
        PackedStream stream = new(kind == MediaKind.Image ? PackedCodec.Mjpeg : settings.Codec, header);
        return new(bytes, new(stream, width, height, settings.RateOf(source), XxHash3.HashToUInt64(bytes), first, sizes, checksums));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        reader.Dispose();
        File.Delete(scratch);
    }

    private string Arguments(MediaKind kind) => (kind, settings.Codec) switch
    {
        (MediaKind.Image, _) => $"-c:v mjpeg -q:v {settings.Quality ?? DefaultScale} -pix_fmt yuvj420p -f image2 -update 1",
        (_, PackedCodec.Mjpeg) => $"-c:v mjpeg -q:v {settings.Quality ?? DefaultScale} -pix_fmt yuvj420p -movflags +faststart -f mp4",
        _ => $"-c:v libx264 -tune fastdecode -g 1 -bf 0 -crf {settings.Quality ?? DefaultCrf} -pix_fmt yuv420p -movflags +faststart -f mp4",
    };

    /// <summary>Chosen frames of the open source, as raw RGB, a few at a time.</summary>
    private sealed class FramePipe(IFrameReader reader, int[] frames, int width, int height, ResizeFilter filter, double rate) : IPipeSource
    {
        private const int FramesAtOnce = 64;

        public int Count => frames.Length;

        /// <summary>Why the source could not be read to its end.</summary>
        public UnreadableClipException? Trouble { get; private set; }

        public string GetStreamArguments() => string.Create(CultureInfo.InvariantCulture,
            $"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {(rate > 0 ? Math.Clamp(rate, 0.001, 1000) : 1)}");

        public async Task WriteAsync(Stream outputStream, CancellationToken cancellationToken)
        {
            byte[] rgb = ArrayPool<byte>.Shared.Rent(Math.Min(frames.Length, FramesAtOnce) * width * height * 3);
            try
            {
                foreach (int[] some in frames.Chunk(FramesAtOnce))
                {
                    int length = some.Length * width * height * 3;
                    reader.Read(some, width, height, filter, rgb.AsSpan(0, length));
                    await outputStream.WriteAsync(rgb.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                }
            }
            catch (UnreadableClipException exception)
            {
                Trouble = exception;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(rgb);
            }
        }
    }
}
