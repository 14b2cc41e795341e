using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using Alpro.Data.Places;
using FFMpegCore;
using FFMpegCore.Exceptions;

namespace Alpro.Data.Media;

/// <summary>
/// Reads frames through the ffmpeg and ffprobe commands: the same frames and pixels as <see cref="VideoReader"/>, for machines
/// where its library cannot be built. Two processes start per clip and every file is decoded from its beginning, so it takes
/// three to ten times the processor time.
/// </summary>
internal sealed class FfmpegProcessReader(DecodeLimits limits) : IFrameReader
{
    private string? _path;
    private string? _extract;
    private int _stream;
    private VideoInfo _info;

    /// <inheritdoc/>
    /// <exception cref="FFMpegException">The ffmpeg and ffprobe commands are not installed.</exception>
    public VideoInfo Open(MediaSource media)
    {
        Close();
        (string path, string name) = (Whole(media), Place.NameOf(media.Path));
        IMediaAnalysis analysis = Within(name, stop => FFProbe.AnalyseAsync(path, cancellationToken: stop), RejectReason.NotMedia);
        VideoStream video = analysis.VideoStreams.FirstOrDefault(s => s.Disposition?.GetValueOrDefault("attached_pic") != true)
            ?? throw new UnreadableClipException(RejectReason.NoVideoStream, name, "it has no video stream");
        int width = video.Width ?? 0, height = video.Height ?? 0;
        if ((long)width * height > limits.MaxPixels)
            throw new UnreadableClipException(RejectReason.TooLarge, name,
                $"its picture of {width} x {height} is larger than the {limits.MaxPixels} pixels allowed");

        int rotation = ((-video.Rotation % 360) + 360) % 360;   // ffprobe counts against the clock
        bool turned = rotation is 90 or 270,
            image = analysis.Format.FormatName.EndsWith("_pipe", StringComparison.Ordinal) || analysis.Format.FormatName == "image2";
        int frames = image ? 1 : CountFrames(path, name, video.Index);
        if (frames == 0)
            throw new UnreadableClipException(RejectReason.Truncated, name, "no frame of its video stream is in the file");
        (_path, _stream) = (path, video.Index);
        return _info = new VideoInfo(frames, image ? 0 : video.AverageFrameRate, turned ? height : width, turned ? width : height,
            rotation);
    }

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        FrameReaders.CheckRequest(_info, indices, width, height, pixels_THWC.Length);
        string path = _path!;
        int[] distinct = [.. indices.ToArray().Distinct()];
        string wanted = string.Join('+', distinct.Select(i => string.Create(CultureInfo.InvariantCulture, $"eq(n\\,{i})")));
        string scale = $"scale={width}:{height}:flags={filter.ToString().ToLowerInvariant()}";
        string arguments = $"-map 0:{_stream} -vf \"select='{wanted}',{scale}\" -vsync passthrough -frames:v {distinct.Length} "
            + "-pix_fmt rgb24 -f rawvideo";
        byte[] frames = Within(path, stop => DecodeAsync(path, arguments, stop), RejectReason.Corrupt);

        int size = width * height * 3;
        for (int i = 0; i < indices.Length; i++)
        {
            int place = Array.BinarySearch(distinct, indices[i]);
            if ((place + 1) * size > frames.Length)
                throw new UnreadableClipException(RejectReason.Corrupt, path, $"frame {indices[i]} cannot be decoded");
            frames.AsSpan(place * size, size).CopyTo(pixels_THWC[(i * size)..]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    /// <summary>
    /// What the command writes, by way of a file. A pipe loses it where the command has ended before FFMpegCore comes to read, as on a busy
    /// machine: it then gives up reading, and reports no fault.
    /// </summary>
    private static async Task<byte[]> DecodeAsync(string path, string arguments, CancellationToken stop)
    {
        string decoded = Path.GetTempFileName();
        try
        {
            await FFMpegArguments.FromFileInput(path, verifyExists: false, options => options.WithCustomArgument("-threads 1"))
                .OutputToFile(decoded, overwrite: true, options => options.WithCustomArgument(arguments))
                .ProcessAsynchronously(cancellationToken: stop).ConfigureAwait(false);
            return await File.ReadAllBytesAsync(decoded, stop).ConfigureAwait(false);
        }
        finally
        {
            File.Delete(decoded);
        }
    }

    /// <summary>A path that holds the clip alone: a stretch of a larger file, or a store's, is copied out of it.</summary>
    private string Whole(MediaSource media)
    {
        using Place place = Place.Open(media.Path, limits.Places);
        if (!Place.IsRemote(media.Path) && Directory.Exists(media.Path))
            throw new UnreadableClipException(RejectReason.NotMedia, media.Path, "it is a folder");
        long all = 0;
        PlaceMedia.Guarded(() => all = place.Facts.Length);
        if (all == 0) throw new UnreadableClipException(RejectReason.Empty, place.Name, "it has no bytes");
        if (media.IsWholeFile && !Place.IsRemote(media.Path)) return media.Path;
        long length = media.Length > 0 ? media.Length : all - media.Offset;
        if (length <= 0 || media.Offset + length > all)
            throw new UnreadableClipException(RejectReason.Truncated, place.Name, $"it has {all} bytes, fewer than the stretch asked for");
        _extract = Path.GetTempFileName();
        PlaceMedia.Guarded(() => place.Download(_extract, new ByteRange(media.Offset, length)));
        if (media.Packed is { } packed && packed.Hash != HashOf(_extract))
            throw new UnreadableClipException(RejectReason.Corrupt, place.Name, PackedClip.Altered);
        return _extract;
    }

    private static ulong HashOf(string path)
    {
        using FileStream file = File.OpenRead(path);
        var hash = new XxHash3();
        hash.Append(file);
        return hash.GetCurrentHashAsUInt64();
    }

    /// <summary>Packets that are displayed, from the first key frame on.</summary>
    private int CountFrames(string path, string name, int stream)
    {
        FFProbePackets packets = Within(name, stop =>
            FFProbe.GetPacketsAsync(path, customArguments: $"-select_streams {stream}", cancellationToken: stop), RejectReason.NotMedia);
        if (packets.Packets.Count > limits.MaxPackets)
            throw new UnreadableClipException(RejectReason.TooLarge, name, $"more than {limits.MaxPackets} packets");
        return packets.Packets.SkipWhile(p => !p.Flags.Contains('K')).Count(p => !p.Flags.Contains('D') && p.Size > 0);
    }

    /// <summary>Runs a command within the deadline; what it complains of becomes the reason.</summary>
    private T Within<T>(string path, Func<CancellationToken, Task<T>> command, RejectReason reason)
    {
        using var deadline = new CancellationTokenSource(limits.Deadline);
        try
        {
            return command(deadline.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException exception)
        {
            throw new UnreadableClipException(RejectReason.TimedOut, path, "the ffmpeg command took longer than allowed", exception);
        }
        // That type itself says that the command is not installed.
        catch (FFMpegException exception) when (exception.GetType() != typeof(FFMpegException))
        {
            throw new UnreadableClipException(reason, path, exception.Message, exception);
        }
        catch (JsonException exception)
        {
            throw new UnreadableClipException(reason, path, "ffprobe reports numbers out of range", exception);
        }
    }

    private void Close()
    {
        if (_extract is not null) File.Delete(_extract);
        (_extract, _path, _info) = (null, null, default);
    }
}
