using System.Threading.Channels;
using Alpro.Data.Media;

namespace Alpro.Data.Workers;

/// <summary>
/// The workers of something that is made in pieces: those of this process, and those of others, which may come and go. The piece of one
/// that is lost goes to the next that is free. What cannot be read elsewhere is tried here. So what is made has the bytes, and leaves out
/// the pieces, that it would without them.
/// </summary>
/// <typeparam name="TWorker">Does one piece after another, and throws <see cref="IOException"/> when its process is lost.</typeparam>
internal sealed class WorkerPool<TWorker> : IDisposable
    where TWorker : class, IDisposable
{
    private const int MostLosses = 3;

    private readonly Channel<(TWorker Worker, bool IsHere)> _free = Channel.CreateUnbounded<(TWorker, bool)>();
    private readonly List<TWorker> _workers = [];
    private readonly TWorker _last;
    private readonly SemaphoreSlim _lastIsFree = new(1);
    private bool _closed;
    private int _elsewhere;

    /// <summary>A pool of this process's workers.</summary>
    /// <param name="create">Makes one.</param>
    /// <param name="workers">How many are busy at once, while no piece has come back from elsewhere.</param>
    public WorkerPool(Func<TWorker> create, int workers)
    {
        _last = create();
        for (int worker = 0; worker < workers; worker++) Add(create(), isHere: true);
    }

    /// <summary>How many workers there are.</summary>
    public int Count
    {
        get
        {
            lock (_workers) return _workers.Count;
        }
    }

    /// <summary>Pieces that others did.</summary>
    public int Elsewhere => Volatile.Read(ref _elsewhere);

    /// <summary>Takes in a worker of another process.</summary>
    public void Add(TWorker worker) => Add(worker, isHere: false);

    /// <summary>Gives up a worker of another process.</summary>
    public void Remove(TWorker worker)
    {
        lock (_workers) _workers.Remove(worker);
        worker.Dispose();
    }

    /// <summary>Has a piece done by the next worker that is free.</summary>
    /// <param name="work">Has a worker do it.</param>
    /// <param name="stop">Gives it up.</param>
    /// <exception cref="UnreadableClipException">It cannot be read, here either.</exception>
    public async Task<T> DoAsync<T>(Func<TWorker, Task<T>> work, CancellationToken stop)
    {
        for (int losses = 0; losses < MostLosses;)
        {
            (TWorker worker, bool isHere) = await _free.Reader.ReadAsync(stop).ConfigureAwait(false);
            lock (_workers)
                if (!_workers.Contains(worker)) continue;            // it was given up
            try
            {
                T made = await Task.Run(() => work(worker), stop).ConfigureAwait(false);
                _free.Writer.TryWrite((worker, isHere));
                if (!isHere) Interlocked.Increment(ref _elsewhere);
                return made;
            }
            catch (UnreadableClipException)
            {
                _free.Writer.TryWrite((worker, isHere));
                if (isHere) throw;
                break;
            }
            catch (IOException) when (!isHere)
            {
                Remove(worker);
                losses++;
            }
        }
        await _lastIsFree.WaitAsync(stop).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => work(_last), stop).ConfigureAwait(false);
        }
        finally
        {
            _lastIsFree.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_workers)
        {
            _closed = true;
            foreach (TWorker worker in _workers) worker.Dispose();
        }
        _last.Dispose();
        _lastIsFree.Dispose();
    }

    private void Add(TWorker worker, bool isHere)
    {
        lock (_workers)
        {
            if (!_closed) _workers.Add(worker);
            else worker.Dispose();
        }
        _free.Writer.TryWrite((worker, isHere));
    }
}
