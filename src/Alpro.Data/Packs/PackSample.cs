using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Data.Packs;

/// <summary>Some clips of a pack beside their sources: eight frames of each, evenly spread, at the size of the pack.</summary>
/// <param name="Clips">Clips that were compared.</param>
/// <param name="SourceMilliseconds">Processor time of opening a source and reading the frames, a clip.</param>
/// <param name="PackedMilliseconds">The same of the pack.</param>
/// <param name="MeanPsnr">Peak signal-to-noise ratio in dB of the packed frames against the scaled source, the mean; at most 100.</param>
/// <param name="WorstPsnr">That of the worst frame.</param>
internal sealed record PackSample(int Clips, double SourceMilliseconds, double PackedMilliseconds, double MeanPsnr, double WorstPsnr)
{
    private const int ClipsAtMost = 32, FramesAtMost = 8;
    private const double MostPsnr = 100;

    /// <summary>Compares clips, evenly spread over the pack.</summary>
    public static PackSample Of(VideoTextCorpus corpus, PackMembers members, PackFolder made, IReadOnlyList<int> clips,
        PackSettings settings)
    {
        int count = Math.Min(clips.Count, ClipsAtMost);
        int[] some = [.. Enumerable.Range(0, count).Select(i => clips[(int)((long)i * clips.Count / count)])];
        PackedClip[] packed = [.. some.Select(member => made[member].Packed!)];
        int[][] frames = [.. packed.Select(clip => Enumerable.Range(0, FramesAtMost).Select(i => i * clip.Sizes.Length / FramesAtMost)
            .Distinct().ToArray())];
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
        byte[][] sources = new byte[count][], results = new byte[count][];
        ReadSource(0);                                              // the first call of everything costs more
        ReadPacked(0);
        (double before, double after) = (Milliseconds(ReadSource), Milliseconds(ReadPacked));
        double[] ratios = [.. Enumerable.Range(0, count).SelectMany(i => Psnr(sources[i], results[i], frames[i].Length))];
        return new(count, before, after, ratios.Average(), ratios.Min());

        void ReadSource(int i)
        {
            int[] chosen = settings.FramesOf(reader.Open(corpus[members.RowsOf(some[i])[0]].Media));
            sources[i] = Read(packed[i], [.. frames[i].Select(frame => chosen[frame])]);
        }

        void ReadPacked(int i)
        {
            IndexedRow row = made[some[i]];
            reader.Open(new(Place.Combine(made.Place, row.MediaPaths[0]), row.Offset, row.Length) { Packed = row.Packed });
            results[i] = Read(packed[i], frames[i]);
        }

        double Milliseconds(Action<int> read)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            for (int i = 0; i < count; i++) read(i);
            return (Environment.CpuUsage.TotalTime - start).TotalMilliseconds / count;
        }

        byte[] Read(PackedClip clip, int[] wanted)
        {
            byte[] pixels = new byte[wanted.Length * clip.Width * clip.Height * 3];
            reader.Read(wanted, clip.Width, clip.Height, PackSettings.FilterOf(corpus.Kind), pixels);
            return pixels;
        }
    }

    private static IEnumerable<double> Psnr(byte[] expected, byte[] actual, int frames)
    {
        int size = expected.Length / frames;
        for (int at = 0; at < expected.Length; at += size)
        {
            long squares = 0;
            for (int i = at; i < at + size; i++) squares += (expected[i] - actual[i]) * (expected[i] - actual[i]);
            yield return squares == 0 ? MostPsnr : Math.Min(MostPsnr, 10 * Math.Log10(255.0 * 255 * size / squares));
        }
    }
}
