namespace Alpro.Data.Sampling;

/// <summary>Chooses the frames of a clip (paper section 4.1 and its released loader). A pure function of its arguments.</summary>
internal static class FrameSampler
{
    /// <summary>
    /// Chooses k frames of a video, ascending. Videos shorter than k repeat frames: the random strategies take every frame equally
    /// often before they take one more of any.
    /// </summary>
    /// <param name="strategy">How to choose.</param>
    /// <param name="frameCount">Frames of the video, at least 1.</param>
    /// <param name="random">
    /// The stream of purpose <see cref="RandomPurpose.Frames"/>; the deterministic strategies do not draw from it.
    /// </param>
    /// <param name="indices">Receives k = its length frame numbers.</param>
    public static void Choose(FrameStrategy strategy, int frameCount, ref SeededRandom random, Span<int> indices)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frameCount);
        int k = indices.Length;
        switch (strategy)
        {
            case FrameStrategy.Headtail:
                // An odd k gives its extra frame to the second half, and so does an odd video; a single frame has no first half.
                int middle = frameCount / 2;
                int head = middle == 0 ? 0 : k / 2;
                ChooseDistinct(0, middle, ref random, indices[..head]);
                ChooseDistinct(middle, frameCount, ref random, indices[head..]);
                break;
            case FrameStrategy.Rand:
                ChooseDistinct(0, frameCount, ref random, indices);
                break;
            case FrameStrategy.Uniform:
                for (int i = 0; i < k; i++) indices[i] = i * (frameCount / k);
                break;
            case FrameStrategy.NlvlUniform:
                for (int i = 0; i < k; i++) indices[i] = GapStart(i, k, frameCount);
                break;
            case FrameStrategy.NlvlRand:
                for (int i = 0; i < k; i++)
                {
                    int start = GapStart(i, k, frameCount);
                    int gap = GapStart(i + 1, k, frameCount) - start;
                    indices[i] = gap > 1 ? start + random.NextInt32(gap) : start;
                }
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(strategy), strategy, "no such frame strategy");
        }
    }

    /// <summary>Chooses k frames of a stretch of a video, or of all of it.</summary>
    public static void Choose(FrameStrategy strategy, FrameRange? stretch, int frameCount, ref SeededRandom random, Span<int> indices)
    {
        FrameRange range = stretch?.Within(frameCount) ?? new(0, frameCount);
        Choose(strategy, range.Count, ref random, indices);
        for (int i = 0; i < indices.Length; i++) indices[i] += range.First;
    }

    private static int GapStart(int i, int k, int frameCount) => (int)((long)i * frameCount / k);

    /// <summary>
    /// Distinct numbers of first .. end - 1, ascending; where there are too few of them, all of them again and again first.
    /// </summary>
    private static void ChooseDistinct(int first, int end, ref SeededRandom random, Span<int> chosen)
    {
        if (chosen.IsEmpty) return;
        int available = end - first;
        int repeated = chosen.Length / available * available;
        for (int i = 0; i < repeated; i++) chosen[i] = first + i % available;

        // Floyd's algorithm: every subset is equally likely, with one draw per number and no list of the candidates.
        Span<int> rest = chosen[repeated..];
        for (int i = 0; i < rest.Length; i++)
        {
            int last = end - rest.Length + i;
            int drawn = first + random.NextInt32(last - first + 1);
            rest[i] = rest[..i].Contains(drawn) ? last : drawn;
        }
        chosen.Sort();
    }
}
