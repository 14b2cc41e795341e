using Alpro.Data.Media;

namespace Alpro.Training.Search;

/// <summary>Cuts videos into windows; a window never goes over a cut to another shot.</summary>
internal static class WindowCutter
{
    /// <summary>Opens a file, and finds its windows.</summary>
    /// <param name="reader">A reader; the file stays open in it.</param>
    /// <param name="file">The file.</param>
    /// <param name="settings">How it is cut.</param>
    /// <returns>The file with what was found in it, or why it cannot be read; and its windows.</returns>
    public static (IndexedFile File, IReadOnlyList<Window> Windows) Survey(IFrameReader reader, IndexedFile file, WindowSettings settings)
    {
        try
        {
            VideoInfo info = reader.Open(file.Media);
            bool whole = settings.Seconds is null || file.Kind == MediaKind.Image || info.FrameRate <= 0;
            return (file with { Info = info }, Cut(info, whole ? [] : ShotCuts.Find(reader, info), settings));
        }
        catch (UnreadableClipException problem)
        {
            return (file with { Problem = Describe(problem.Reason, problem.Finding) }, []);
        }
    }

    /// <summary>What could not be read, for a person.</summary>
    public static string Describe(RejectReason reason, string finding) => $"{reason}: {finding}";

    /// <summary>
    /// The windows of a video. Each shot has them from its first frame on, one a stride. What is left at its end is a window of full length
    /// that ends with it, or belongs to the last one where it is less than half a stride. A shorter shot is one window.
    /// </summary>
    /// <param name="info">The video.</param>
    /// <param name="cuts">The first frames of all shots but the first.</param>
    /// <param name="settings">Length and stride; frames of an unknown rate are one window.</param>
    public static IReadOnlyList<Window> Cut(VideoInfo info, IReadOnlyList<int> cuts, WindowSettings settings)
    {
        double rate = info.FrameRate;
        var windows = new List<Window>();
        if (settings.Seconds is not { } seconds || rate <= 0)
        {
            Add(0, info.FrameCount);
            return windows;
        }
        int length = Math.Max(1, (int)Math.Round(seconds * rate)), stride = Math.Max(1, (int)Math.Round(settings.Stride * rate));
        int[] edges = [0, .. cuts, info.FrameCount];
        for (int shot = 1; shot < edges.Length; shot++)
        {
            (int begin, int end, int covered) = (edges[shot - 1], edges[shot], edges[shot - 1]);
            for (int first = begin; first + length <= end; first += stride) Add(first, covered = first + length);
            if (covered == begin) Add(begin, end);
            else if (end - covered >= Math.Max(1, stride / 2)) Add(end - length, end);
            else if (end > covered) Extend(end);
        }
        return windows;

        void Add(int first, int end) =>
            windows.Add(new(windows.Count, 0, first, end - first, rate > 0 ? first / rate : 0, rate > 0 ? end / rate : 0));

        void Extend(int end) => windows[^1] = windows[^1] with { FrameCount = end - windows[^1].FirstFrame, End = end / rate };
    }
}
