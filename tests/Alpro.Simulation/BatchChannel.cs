using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Alpro.Data.Batches;

namespace Alpro.Simulation;

/// <summary>The bounded channel to a trainer. Who waits goes on at once, on this thread; the library has it go on on another.</summary>
/// <param name="capacity">Batches that it holds.</param>
internal sealed class BatchChannel(int capacity) : ChannelWriter<ClipBatch>
{
    private readonly Queue<ClipBatch> _batches = new();
    private TaskCompletionSource<bool>? _writing;
    private Action? _reading;
    private bool _completed;

    /// <inheritdoc/>
    public override bool TryWrite(ClipBatch item)
    {
        if (_completed || _batches.Count == capacity) return false;
        _batches.Enqueue(item);
        Signal();
        return true;
    }

    /// <inheritdoc/>
    public override ValueTask<bool> WaitToWriteAsync(CancellationToken cancellationToken = default)
    {
        if (_completed || _batches.Count < capacity) return ValueTask.FromResult(!_completed);
        return new((_writing ??= new()).Task);
    }

    /// <inheritdoc/>
    public override bool TryComplete(Exception? error = null)
    {
        if (_completed) return false;
        _completed = true;
        Interlocked.Exchange(ref _writing, null)?.SetResult(false);
        Signal();
        return true;
    }

    /// <summary>The next batch, if it is there.</summary>
    public bool TryRead([NotNullWhen(true)] out ClipBatch? batch)
    {
        if (!_batches.TryDequeue(out batch)) return false;
        Interlocked.Exchange(ref _writing, null)?.SetResult(true);
        return true;
    }

    /// <summary>Does something when there is a batch, or there will be no more.</summary>
    public void WhenThere(Action action)
    {
        _reading = action;
        if (_batches.Count > 0 || _completed) Signal();
    }

    private void Signal() => Interlocked.Exchange(ref _reading, null)?.Invoke();
}
