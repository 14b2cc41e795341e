using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Text;

namespace Alpro.Training.Search;

/// <summary>Decodes windows again, with the frames that they had when they were indexed.</summary>
/// <param name="settings">How a window becomes a clip.</param>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="limits">What reading a window may cost.</param>
internal sealed class WindowReader(ClipSettings settings, CaptionTokenizer tokenizer, DecodeLimits limits)
{
    /// <summary>Windows as batches, in order; a batch lacks those that cannot be read.</summary>
    /// <param name="windows">Files and their windows; a clip's key is the place among these.</param>
    /// <param name="batchSize">Windows of a batch.</param>
    /// <param name="unreadable">Told the place of each that cannot be read, and why; by several threads.</param>
    public IEnumerable<ClipBatch> Read(IReadOnlyList<(IndexedFile, Window)> windows, int batchSize,
        Action<int, UnreadableClipException> unreadable)
    {
        using var corpus = new WindowCorpus(windows);
        RowsInOrder plan = corpus.Plan(batchSize);
        for (long step = 0; step < plan.Steps; step++)
            if (Read(corpus, plan, step, unreadable) is { } batch) yield return batch;
    }

    /// <summary>The numbers of the frames that a window's clip has.</summary>
    public int[] FramesOf(IndexedFile file, Window window)
    {
        int[] frames = new int[settings.Frames];
        if (file.Kind == MediaKind.Image) return frames;
        using var corpus = new WindowCorpus([(file, window)]);
        SeededRandom random = SeededRandom.For(corpus.Plan(1).Request(0, 0).Seed, RandomPurpose.Frames);
        FrameSampler.Choose(settings.Strategy, corpus[0].Frames, file.Info.FrameCount, ref random, frames);
        return frames;
    }

    private ClipBatch? Read(WindowCorpus corpus, RowsInOrder plan, long step, Action<int, UnreadableClipException> unreadable)
    {
        int places = plan.Places(step);
        using var collator = new Collator(step, places, settings);
        Parallel.For(0, places, Open, (place, _, loader) =>
        {
            ClipRequest request = plan.Request(step, place);
            try
            {
                using Clip clip = loader.Load(request);
                lock (collator) collator.Add(place, clip);
            }
            catch (UnreadableClipException problem)
            {
                lock (collator) collator.LeaveEmpty(place);
                unreadable((int)request.Row, problem);
            }
            return loader;
        }, static loader => loader.Dispose());
        return collator.Take();

        ClipLoader Open() => new([corpus], settings, tokenizer, FrameReaders.Create(limits));
    }
}
