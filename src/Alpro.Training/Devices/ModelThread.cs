using System.Collections.Concurrent;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>
/// The one thread that touches models which others ask: what it is given runs one after another, and its results are no tensors. Between
/// two of them it collects garbage, so that no collection need fall into one.
/// </summary>
internal sealed class ModelThread : IDisposable
{
    private const int StackBytes = 16 << 20;

    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="torchThreads">Threads of one tensor operation.</param>
    public ModelThread(string name, int torchThreads)
    {
        _thread = new(() =>
        {
            set_num_threads(torchThreads);
            foreach (Action work in _work.GetConsumingEnumerable())
            {
                work();
                GC.Collect(0);
            }
        }, StackBytes)
        { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Runs something on the thread, inside a scope that disposes its tensors.</summary>
    /// <param name="work">What to run.</param>
    /// <param name="stop">Gives it up while it still waits for others.</param>
    public Task<T> RunAsync<T>(Func<T> work, CancellationToken stop = default)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            if (stop.IsCancellationRequested)
            {
                result.SetCanceled(stop);
                return;
            }
            try
            {
                using var scope = NewDisposeScope();
                result.SetResult(work());
            }
#pragma warning disable CA1031 // Whatever it is, it belongs to whoever asked; the thread goes on for others.
            catch (Exception error)
#pragma warning restore CA1031
            {
                result.SetException(error);
            }
        }, stop);
        return result.Task;
    }

    /// <summary>Ends the thread behind what it has been given.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }
}
