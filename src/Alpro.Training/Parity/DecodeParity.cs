using System.IO.Hashing;
using System.Text.Json;
using Alpro.Data.Media;

namespace Alpro.Training.Parity;

/// <summary>Decoded frames beside the golden ones, which are known by their checksums and channel means.</summary>
internal static class DecodeParity
{
    private sealed record Case(string File, int TotalFrames, string Strategy, int[] Indices, string Crc32, string[] FrameCrc32,
        double[][] FrameChannelMeans, double Fps);

    private const int Side = 224;
    private static readonly JsonSerializerOptions _options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>
    /// One row per filter for <c>data/decode.json</c>: equality is of every byte of every frame, of frame counts, and of rates to 0.001.
    /// </summary>
    /// <param name="file">The file of cases.</param>
    /// <param name="videosFolder">The folder of the clips it names.</param>
    /// <exception cref="FileNotFoundException">The golden file is not there.</exception>
    public static IEnumerable<ParityRow> Compare(string file, string videosFolder)
    {
        using FileStream stream = File.OpenRead(file);
        var golden = JsonSerializer.Deserialize<Dictionary<ResizeFilter, Case[]>>(stream, _options)!;
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
        foreach ((ResizeFilter filter, Case[] cases) in golden) yield return Compare(reader, filter, cases, videosFolder);
    }

    private static ParityRow Compare(IFrameReader reader, ResizeFilter filter, Case[] cases, string videosFolder)
    {
        int frames = 0, same = 0;
        double worst = 0;
        string? first = null;
        foreach (Case wanted in cases)
        {
            try
            {
                VideoInfo info = reader.Open(new MediaSource(Path.Combine(videosFolder, wanted.File)));
                if (info.FrameCount != wanted.TotalFrames) first ??= $"{wanted.File}: {info.FrameCount} frames, not {wanted.TotalFrames}";
                if (Math.Abs(info.FrameRate - wanted.Fps) > 1e-3)
                    first ??= $"{wanted.File}: {info.FrameRate} frames per second, not {wanted.Fps}";
                var pixels = new byte[wanted.Indices.Length * Side * Side * 3];
                reader.Read(wanted.Indices, Side, Side, filter, pixels);
                for (int i = 0; i < wanted.Indices.Length; i++)
                {
                    ReadOnlySpan<byte> frame = pixels.AsSpan(i * Side * Side * 3, Side * Side * 3);
                    frames++;
                    if (Hex(frame) == wanted.FrameCrc32[i]) same++;
                    else first ??= $"{wanted.File}, frame {wanted.Indices[i]}: other bytes";
                    for (int channel = 0; channel < 3; channel++)
                        worst = Math.Max(worst, Math.Abs(Mean(frame, channel) - wanted.FrameChannelMeans[i][channel]));
                }
                if (Hex(pixels) != wanted.Crc32) first ??= $"{wanted.File}, {wanted.Strategy}: other bytes";
            }
            catch (UnreadableClipException exception)
            {
                first ??= exception.Message;
            }
        }
        string detail = first
            ?? $"{same} of {frames} frames equal byte for byte; the difference stated is of channel means, which are rounded to 0.0001";
        return new ParityRow($"data/decode.json, {filter.ToString().ToLowerInvariant()}", frames, worst, 0, "every byte equal",
            first is null, detail);
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Crc32.HashToUInt32(bytes).ToString("x8");

    private static double Mean(ReadOnlySpan<byte> frame, int channel)
    {
        long sum = 0;
        for (int i = channel; i < frame.Length; i += 3) sum += frame[i];
        return sum / (frame.Length / 3.0);
    }
}
