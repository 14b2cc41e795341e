using System.IO.Hashing;
using System.Runtime.InteropServices;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Data.Preparation;

/// <summary>A row whose clip cannot be read.</summary>
/// <param name="Row">Row within the corpus, from 0.</param>
/// <param name="Path">The media file.</param>
/// <param name="Reason">The kind of trouble.</param>
/// <param name="Message">What was found, for a person.</param>
internal sealed record UnreadableRow(long Row, string Path, RejectReason Reason, string Message);

/// <summary>What a scan found: <c>Rows = Readable + Unreadable.Count</c>.</summary>
/// <param name="Rows">Rows of the corpus.</param>
/// <param name="Files">Different clips among them; each was decoded once.</param>
/// <param name="Unreadable">The rows whose clip cannot be read, in order.</param>
internal sealed record ScanResult(long Rows, long Files, IReadOnlyList<UnreadableRow> Unreadable)
{
    /// <summary>Rows whose clip can be read.</summary>
    public long Readable => Rows - Unreadable.Count;
}

/// <summary>Decodes every clip of a corpus, several at once, and lists those that cannot be read. Changes nothing.</summary>
/// <param name="createReader">Makes the reader of one thread.</param>
/// <param name="threads">Clips that are decoded at once.</param>
/// <param name="frames">Frames decoded of each clip, evenly spread, the last one included; 0 decodes all.</param>
internal sealed class CorpusScanner(Func<IFrameReader> createReader, int threads, int frames)
{
    private const int Side = 32;
    private const int FramesAtOnce = 64;

    /// <summary>Scans a corpus; open it lazily, or missing files are not among its rows.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="progress">Told the rows that are done.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public async Task<ScanResult> ScanAsync(VideoTextCorpus corpus, IProgress<long>? progress = null,
        CancellationToken cancellation = default)
    {
        HashSet<ulong> files = [];                                  // hashes: a corpus may have ten million rows
        Dictionary<ulong, UnreadableClipException> troubles = [];
        long next = -1;
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ =>
            Task.Factory.StartNew(Work, cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default))).ConfigureAwait(false);

        List<UnreadableRow> unreadable = [];
        if (troubles.Count > 0)
            for (long row = 0; row < corpus.Count; row++)
                if (troubles.TryGetValue(Hash(corpus[row].Media), out UnreadableClipException? trouble))
                    unreadable.Add(new UnreadableRow(row, trouble.Path, trouble.Reason, trouble.Finding));
        return new ScanResult(corpus.Count, files.Count, unreadable);

        void Work()
        {
            using IFrameReader reader = createReader();
            for (long row; (row = Interlocked.Increment(ref next)) < corpus.Count;)
            {
                cancellation.ThrowIfCancellationRequested();
                MediaSource media = corpus[row].Media;
                ulong file = Hash(media);
                bool first;
                lock (files) first = files.Add(file);
                if (first && TroubleOf(reader, media) is { } trouble)
                    lock (troubles) troubles.Add(file, trouble);
                progress?.Report(row + 1);
            }
        }
    }

    private UnreadableClipException? TroubleOf(IFrameReader reader, MediaSource media)
    {
        try
        {
            VideoInfo info = reader.Open(media);
            int wanted = frames == 0 ? info.FrameCount : Math.Min(frames, info.FrameCount);
            int[] indices = [.. Enumerable.Range(0, wanted)
                .Select(i => wanted == 1 ? 0 : (int)((long)i * (info.FrameCount - 1) / (wanted - 1)))];
            byte[] pixels = new byte[Math.Min(FramesAtOnce, wanted) * Side * Side * 3];
            foreach (int[] some in indices.Chunk(FramesAtOnce))
                reader.Read(some, Side, Side, ResizeFilter.Bilinear, pixels.AsSpan(0, some.Length * Side * Side * 3));
            return null;
        }
        catch (UnreadableClipException exception)
        {
            return exception;
        }
    }

    private static ulong Hash(MediaSource media) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(media.Path.AsSpan()), media.Offset);

    /// <summary>Writes unreadable rows of a corpus as an <see cref="UnreadableList"/>.</summary>
    public static void WriteList(string path, string corpus, IEnumerable<UnreadableRow> rows) =>
        File.WriteAllLines(path, rows.Select(row => UnreadableList.Line(corpus, row.Row, row.Path, row.Reason, row.Message))
            .Prepend(UnreadableList.Header));
}
