using System.Diagnostics;
using Alpro.Data.Workers;
using Alpro.Training.Search;

namespace Alpro.Actors.Search;

/// <summary>
/// The stream of an indexing, from the files of a plan to windows that are written. Files are surveyed, and batches of their windows
/// encoded, by whichever worker is free, and only so far ahead of what is written. Batches follow from the plan alone, and are written in
/// order. So the bytes are the same however many workers there are, and wherever an earlier writer was stopped.
/// </summary>
/// <param name="writer">The writer; it may go on where an earlier one was stopped.</param>
/// <param name="pool">The workers.</param>
/// <param name="batchSize">Windows of a batch.</param>
internal sealed class WindowStream(SearchIndexWriter writer, WorkerPool<IWindowEncoder> pool, int batchSize)
{
    private const int AheadPerWorker = 2;

    private readonly IndexedFile?[] _unchanged = [.. Enumerable.Range(0, writer.Plan.Count).Select(writer.Unchanged)];
    private readonly Queue<Task<SurveyedFile>> _surveys = [];
    private readonly Queue<(IndexedFile File, Window Window)> _rows = [];        // found, and in no batch yet
    private readonly Queue<((IndexedFile, Window Window)[] Rows, Task<EncodedWindow[]> Encoded)> _batches = [];
    private readonly Queue<SurveyedFile> _open = [];                 // some of their windows are not written
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly int _files = Enumerable.Range(writer.Files, writer.Plan.Count - writer.Files)
        .Count(file => writer.Unchanged(file) is null);
    private int _next = writer.Files, _surveyed, _found, _done;

    /// <summary>Told how many windows are found and not written, whenever there are more.</summary>
    public required Action<int> Found { get; init; }

    /// <summary>Told how far it is, after each batch.</summary>
    public required Action<IndexProgress> Progressed { get; init; }

    /// <summary>How often what is done is made sure of.</summary>
    public required TimeSpan CommitEvery { get; init; }

    private int Ahead => pool.Count * AheadPerWorker;

    /// <summary>Runs until all files are written.</summary>
    /// <param name="cancellation">Stops it; what is committed stays.</param>
    /// <returns>Windows that were encoded.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long committed = Stopwatch.GetTimestamp();
        try
        {
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                Survey(stop.Token);
                while (_surveys.TryPeek(out Task<SurveyedFile>? next) && next.IsCompleted && _batches.Count < Ahead)
                {
                    Take(await _surveys.Dequeue().ConfigureAwait(false));
                    Survey(stop.Token);
                }
                bool isAll = _surveys.Count == 0;
                while (_batches.Count < Ahead && (_rows.Count >= batchSize || (isAll && _rows.Count > 0))) Encode(stop.Token);

                Task[] awaited = [.. _batches.Take(1).Select(batch => (Task)batch.Encoded),
                    .. _surveys.Where(_ => _batches.Count < Ahead).Take(1)];
                if (awaited.Length == 0) break;
                await Task.WhenAny(awaited).ConfigureAwait(false);
                if (!_batches.TryPeek(out var first) || !first.Encoded.IsCompleted) continue;
                Write(first.Rows, await _batches.Dequeue().Encoded.ConfigureAwait(false));
                if (Stopwatch.GetElapsedTime(committed) < CommitEvery) continue;
                writer.Commit();
                committed = Stopwatch.GetTimestamp();
            }
            Settle();
            return _done;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            Task[] left = [.. _surveys, .. _batches.Select(batch => batch.Encoded)];
            await Task.WhenAll(left).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Has the next files surveyed that are new or changed, by half of the workers: batches wait for the others.</summary>
    private void Survey(CancellationToken stop)
    {
        for (; _next < writer.Plan.Count && _surveys.Count < (pool.Count + 1) / 2; _next++)
        {
            if (_unchanged[_next] is not null) continue;
            IndexedFile file = writer.Plan[_next];
            _surveys.Enqueue(pool.DoAsync(worker => worker.SurveyAsync(file, stop), stop));
        }
    }

    /// <summary>The windows of a file follow those before; of the file in hand, those that are not settled.</summary>
    private void Take(SurveyedFile survey)
    {
        int settled = survey.File.Number == writer.Files ? writer.Settled : 0;
        foreach (Window window in survey.Windows.Skip(settled)) _rows.Enqueue((survey.File, window));
        _open.Enqueue(survey);
        _surveyed++;
        _found += survey.Windows.Count - settled;
        Found(_found - _done);
    }

    private void Encode(CancellationToken stop)
    {
        var rows = new (IndexedFile, Window)[Math.Min(batchSize, _rows.Count)];
        for (int row = 0; row < rows.Length; row++) rows[row] = _rows.Dequeue();
        _batches.Enqueue((rows, pool.DoAsync(worker => worker.EncodeAsync(rows, stop), stop)));
    }

    private void Write((IndexedFile, Window Window)[] rows, EncodedWindow[] encoded)
    {
        for (int row = 0; row < rows.Length; row++)
        {
            Settle();
            if (encoded[row].Problem is { } problem) writer.Skip(problem);
            else writer.Add(rows[row].Window, encoded[row].Feature_F, encoded[row].Tokens_MD, encoded[row].Thumbnail);
        }
        Settle();
        _done += rows.Length;
        int all = (int)((long)_found * _files / _surveyed);
        Progressed(new(_done, all, IsEstimate: _surveyed < _files, _done / Stopwatch.GetElapsedTime(_began).TotalSeconds));
    }

    /// <summary>Finishes the files that have no more windows, and takes those over that are unchanged.</summary>
    private void Settle()
    {
        while (writer.Files < writer.Plan.Count)
        {
            if (_unchanged[writer.Files] is { } same) writer.Copy(same);
            else if (_open.TryPeek(out SurveyedFile? next) && next.File.Number == writer.Files && writer.Settled == next.Windows.Count)
                writer.EndFile(_open.Dequeue().File);
            else return;
        }
    }
}
