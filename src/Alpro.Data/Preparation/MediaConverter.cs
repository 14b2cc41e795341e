using System.Globalization;
using Alpro.Data.Media;
using FFMpegCore;
using FFMpegCore.Exceptions;

namespace Alpro.Data.Preparation;

/// <summary>How a media file is re-encoded. Videos become H.264 MP4 without sound, images JPEG.</summary>
internal sealed record ConversionSettings
{
    /// <summary>The new frame rate as a share of the old; null keeps it.</summary>
    public double? RateFactor { get; init; }

    /// <summary>The new frame rate in frames per second; null keeps it.</summary>
    public double? Rate { get; init; }

    /// <summary>The new shorter side in pixels, aspect ratio kept; null keeps the size.</summary>
    public int? ShortSide { get; init; }

    /// <summary>x264's constant rate factor: lower is better and larger.</summary>
    public int Quality { get; init; } = 20;
}

/// <summary>Re-encodes one file after another with the <c>ffmpeg</c> command. A finished file appears whole or not at all.</summary>
internal sealed class MediaConverter(ConversionSettings settings)
{
    /// <summary>The extension of what a file becomes.</summary>
    public static string ExtensionOf(string source) => MediaFiles.IsImage(source) ? ".jpg" : ".mp4";

    /// <summary>Converts a file; returns why it failed, or null.</summary>
    /// <exception cref="DataException">There is no <c>ffmpeg</c>.</exception>
    public async Task<string?> ConvertAsync(string source, string target, CancellationToken cancellation)
    {
        string aside = Path.Combine(Path.GetDirectoryName(target)!,
            $".{Path.GetFileNameWithoutExtension(target)}.part{Path.GetExtension(target)}");
        try
        {
            await FfmpegCommand.RunAsync(FFMpegArguments.FromFileInput(source, verifyExists: true, options =>
                options.WithCustomArgument("-threads 1"))
                .OutputToFile(aside, overwrite: true, options => options.WithCustomArgument(Arguments(target))), cancellation)
                .ConfigureAwait(false);
            if (new FileInfo(aside) is not { Exists: true, Length: > 0 }
                || (await FFProbe.AnalyseAsync(aside, cancellationToken: cancellation).ConfigureAwait(false)).PrimaryVideoStream is null)
                return "nothing of it can be decoded";
            File.Move(aside, target, overwrite: true);
            return null;
        }
        catch (Exception exception) when (exception is FFMpegException or IOException)
        {
            return string.Join(' ', exception.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            File.Delete(aside);
        }
    }

    private string Arguments(string target)
    {
        List<string> filters = [];
        if (settings.RateFactor is { } factor) filters.Add(string.Create(CultureInfo.InvariantCulture, $"fps=source_fps*{factor}"));
        else if (settings.Rate is { } rate) filters.Add(string.Create(CultureInfo.InvariantCulture, $"fps={rate}"));
        filters.Add(settings.ShortSide is { } side ? $"scale=w='if(gt(iw,ih),-2,{side})':h='if(gt(iw,ih),{side},-2)'"
            : "scale=w='trunc(iw/2)*2':h='trunc(ih/2)*2'");
        return Path.GetExtension(target) == ".jpg"
            ? $"{FfmpegCommand.Deterministic} -vf \"{filters[^1]}\" -frames:v 1 -q:v 2 -pix_fmt yuvj444p -f image2 -update 1"
            : $"{FfmpegCommand.Deterministic} -map 0:v:0 -an -sn -dn -vf \"{string.Join(',', filters)}\" -c:v libx264 -preset veryfast "
            + $"-crf {settings.Quality} -pix_fmt yuv420p -movflags +faststart -f mp4";
    }
}
