using System.IO.Hashing;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Workers;

namespace Alpro.Data.Packs;

/// <summary>What must be the same in two processes, so that they encode a clip to the same bytes.</summary>
/// <param name="Corpus">The corpus's name.</param>
/// <param name="Settings">How its clips are packed.</param>
/// <param name="Data">What decides the bytes besides, by its name, for a person.</param>
internal sealed record PackTerms(string Corpus, PackSettings Settings, IReadOnlyDictionary<string, string> Data)
{
    /// <summary>The terms of this process. What its encoder makes is known by a trial clip: versions do not say all.</summary>
    /// <exception cref="DataException">The <c>ffmpeg</c> command fails, or there is none.</exception>
    public static async Task<PackTerms> OfAsync(VideoTextCorpus corpus, PackSettings settings, string scratch,
        CancellationToken cancellation)
    {
        using ClipEncoder encoder = new(settings with { Rate = null, RateFactor = 1 }, new TrialReader(), scratch);
        EncodedClip trial = await encoder.EncodeAsync(
            new() { Row = 0, Key = "trial", Kind = corpus.Kind, Media = new MediaSource("trial"), Captions = [] }, cancellation)
            .ConfigureAwait(false);
        return new(corpus.Name, settings, new Dictionary<string, string>
        {
            ["rows"] = $"{corpus.Count} of {corpus.Kind} with the hash {corpus.Content}",
            ["decoder"] = NativeDecoder.Version ?? "the ffmpeg command",
            ["encoder"] = $"{FfmpegCommand.Version()?.Split(" Copyright")[0]}, which makes of a trial clip "
                + Convert.ToHexStringLower(XxHash128.Hash(trial.Bytes)),
        });
    }

    /// <summary>What is not the same over there, in words; empty where all is.</summary>
    public string Differences(PackTerms there) => Terms.Differences("pack", Data, there.Data);

    /// <summary>Frames of a pattern, some of it smooth and some of it noise.</summary>
    private sealed class TrialReader : IFrameReader
    {
        private const int Frames = 4, Side = 64;

        public VideoInfo Open(MediaSource media) => new(Frames, 25, Side, Side, 0);

        public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
        {
            for (int i = 0; i < pixels_THWC.Length; i++)
                pixels_THWC[i] = (byte)((i / 3 % width * 2 + i / (width * 3)) ^ (int)(((uint)i * 2654435761) >> 27));
        }

        public void Dispose() { }
    }
}
