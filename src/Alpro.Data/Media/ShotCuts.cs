namespace Alpro.Data.Media;

/// <summary>
/// Finds where a plain cut begins another shot. Key frames are compared first, which cost no other frame to decode. Only between two of
/// them that differ plainly is every frame looked at. A cut is where a frame differs from the one before it plainly, and far more than
/// frames
/// there usually do: neither a moving camera nor a fade is one.
/// </summary>
public static class ShotCuts
{
    /// <summary>Frames are compared at this side in pixels.</summary>
    private const int Side = 32, Bytes = Side * Side * 3;

    /// <summary>The mean difference of two frames' colours, of 255, from which they differ plainly.</summary>
    private const double Plain = 20;

    /// <summary>How many times the usual difference of neighbours a cut is at least.</summary>
    private const double Outstanding = 5;

    /// <summary>Seconds between the frames that are compared first, at least; where key frames are farther apart, at most.</summary>
    private const double Nearest = 1, Farthest = 12;

    /// <summary>Seconds of the shortest shot.</summary>
    private const double Shortest = 0.5;

    /// <summary>The first frames of all shots but the first, ascending.</summary>
    /// <param name="reader">A reader with the video open.</param>
    /// <param name="info">What it found.</param>
    /// <exception cref="UnreadableClipException">A frame cannot be decoded.</exception>
    public static IReadOnlyList<int> Find(IFrameReader reader, VideoInfo info)
    {
        if (info.FrameRate <= 0 || info.FrameCount < 2) return [];
        int[] probes = Probes(reader.KeyFrames(), info);
        byte[] frames = Read(reader, probes);
        var cuts = new List<int>();
        for (int i = 1; i < probes.Length; i++)
        {
            if (Difference(frames, i - 1, i) < Plain) continue;
            int first = probes[i - 1], count = probes[i] - first + 1;
            byte[] between = Read(reader, [.. Enumerable.Range(first, count)]);
            double[] steps = [.. Enumerable.Range(1, count - 1).Select(frame => Difference(between, frame - 1, frame))];
            double usual = steps.Order().ElementAt(steps.Length / 2);
            cuts.AddRange(Enumerable.Range(0, steps.Length).Where(step => steps[step] >= Math.Max(Plain, Outstanding * usual))
                .Select(step => first + step + 1));
        }
        return Lasting(reader, info, cuts);
    }

    /// <summary>
    /// The cuts that begin a shot of some length. Of several that follow each other at once the last does, if another picture is there then
    /// than before: after a flash it is the same.
    /// </summary>
    private static List<int> Lasting(IFrameReader reader, VideoInfo info, List<int> cuts)
    {
        int shortest = (int)(Shortest * info.FrameRate);
        var lasting = new List<int>();
        for (int first = 0, last; first < cuts.Count; first = last + 1)
        {
            for (last = first; last + 1 < cuts.Count && cuts[last + 1] - cuts[last] < shortest;) last++;
            int cut = cuts[last];
            if (cuts[first] < shortest || info.FrameCount - cut < shortest) continue;
            if (last == first || Difference(Read(reader, [cuts[first] - 1, cut]), 0, 1) >= Plain) lasting.Add(cut);
        }
        return lasting;
    }

    /// <summary>The frames that are compared first: key frames, thinned out, and others where there are none for long.</summary>
    private static int[] Probes(IReadOnlyList<int> keys, VideoInfo info)
    {
        double nearest = Nearest * info.FrameRate, farthest = Farthest * info.FrameRate;
        var probes = new List<int> { 0 };
        foreach (int frame in keys.Append(info.FrameCount - 1))
        {
            if (frame - probes[^1] < nearest && frame < info.FrameCount - 1) continue;
            while (frame - probes[^1] > farthest) probes.Add(probes[^1] + (int)farthest);
            if (frame > probes[^1]) probes.Add(frame);
        }
        return [.. probes];
    }

    private static byte[] Read(IFrameReader reader, int[] frames)
    {
        byte[] pixels = new byte[frames.Length * Bytes];
        reader.Read(frames, Side, Side, ResizeFilter.Bilinear, pixels);
        return pixels;
    }

    private static double Difference(byte[] frames, int one, int other)
    {
        long sum = 0;
        for (int i = 0; i < Bytes; i++) sum += Math.Abs(frames[one * Bytes + i] - frames[other * Bytes + i]);
        return (double)sum / Bytes;
    }
}
