namespace Alpro.Data.Media;

/// <summary>
/// Finds where a plain cut begins another shot. Key frames are compared first, which cost no other frame to decode: some of them, and where
/// those differ plainly, all. Only between two that still do is every frame looked at. A cut is where a frame differs from the one before
/// it plainly, and far more than frames there usually do: neither a moving camera nor a fade is one.
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

    /// <summary>Seconds of the shortest shot; of so many more after a stretch it is known what is usual there.</summary>
    private const double Shortest = 0.5;

    /// <summary>The first frames of all shots but the first, ascending.</summary>
    /// <param name="reader">A reader with the video open.</param>
    /// <param name="info">What it found.</param>
    /// <exception cref="UnreadableClipException">A frame cannot be decoded.</exception>
    public static IReadOnlyList<int> Find(IFrameReader reader, VideoInfo info)
    {
        if (info.FrameRate <= 0 || info.FrameCount < 2) return [];
        IReadOnlyList<int> keys = reader.KeyFrames();
        var seen = new SortedList<int, byte[]>();
        Look(reader, Probes(keys, info), seen);
        int[] probes = [.. seen.Keys];
        Look(reader, [.. keys.Where(key => Array.BinarySearch(probes, key) is < 0 and var place && ~place < probes.Length
            && Difference(seen[probes[~place - 1]], seen[probes[~place]]) >= Plain)], seen);
        var cuts = new List<int>();
        for (int first = 0, last; first + 1 < seen.Count; first = Math.Max(first + 1, last))
        {
            for (last = first; last + 1 < seen.Count && Difference(seen.Values[last], seen.Values[last + 1]) >= Plain
                && (last == first || seen.Keys[last + 1] - seen.Keys[first] <= Farthest * info.FrameRate);) last++;
            if (last > first) cuts.AddRange(Between(reader, info, seen.Keys[first], seen.Keys[last]));
        }
        return Lasting(reader, info, cuts);
    }

    /// <summary>Cuts after one frame and up to another.</summary>
    private static IEnumerable<int> Between(IFrameReader reader, VideoInfo info, int first, int last)
    {
        int end = Math.Min(last + (int)(Shortest * info.FrameRate), info.FrameCount - 1);
        byte[][] frames = Read(reader, [.. Enumerable.Range(first, end - first + 1)]);
        double[] steps = [.. Enumerable.Range(1, frames.Length - 1).Select(frame => Difference(frames[frame - 1], frames[frame]))];
        double usual = steps.Order().ElementAt(steps.Length / 2);
        return Enumerable.Range(first + 1, last - first).Where(frame => steps[frame - first - 1] >= Math.Max(Plain, Outstanding * usual));
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
            byte[][] around = last == first ? [] : Read(reader, [cuts[first] - 1, cut]);
            if (around.Length == 0 || Difference(around[0], around[1]) >= Plain) lasting.Add(cut);
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

    private static void Look(IFrameReader reader, int[] frames, SortedList<int, byte[]> seen)
    {
        foreach ((int frame, byte[] pixels) in frames.Zip(Read(reader, frames))) seen.Add(frame, pixels);
    }

    private static byte[][] Read(IFrameReader reader, int[] frames)
    {
        if (frames.Length == 0) return [];
        byte[] pixels = new byte[frames.Length * Bytes];
        reader.Read(frames, Side, Side, ResizeFilter.Bilinear, pixels);
        return [.. pixels.Chunk(Bytes)];
    }

    private static double Difference(byte[] one, byte[] other)
    {
        long sum = 0;
        for (int i = 0; i < Bytes; i++) sum += Math.Abs(one[i] - other[i]);
        return (double)sum / Bytes;
    }
}
