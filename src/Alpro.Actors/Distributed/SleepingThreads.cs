using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Alpro.Actors.Distributed;

/// <summary>
/// Threads of a dispatcher that sleep as soon as there is nothing to do. Those of Akka's own pools first yield and look again,
/// many times. Where messages come one by one, that takes more of a processor than the messages do.
/// </summary>
/// <param name="config">Settings of the dispatcher: <c>threads</c>.</param>
/// <param name="prerequisites">Whom to tell what went wrong.</param>
internal sealed class SleepingThreads(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    /// <inheritdoc/>
    public override ExecutorService Produce(string id) => new Threads(id, Config.GetInt("threads"), Prerequisites.EventStream);

    private sealed class Threads : ExecutorService
    {
        private readonly EventStream _events;
        private readonly Queue<IRunnable> _due = [];                 // its monitor guards it and _stopped
        private bool _stopped;

        public Threads(string id, int count, EventStream events) : base(id)
        {
            _events = events;
            for (int thread = 0; thread < count; thread++) new Thread(RunAll) { Name = id, IsBackground = true }.Start();
        }

        /// <inheritdoc/>
        public override void Execute(IRunnable run)
        {
            lock (_due)
            {
                if (_stopped) return;                                // nobody is left on this dispatcher
                _due.Enqueue(run);
                Monitor.Pulse(_due);
            }
        }

        /// <inheritdoc/>
        public override void Shutdown()
        {
            lock (_due)
            {
                _stopped = true;
                Monitor.PulseAll(_due);
            }
        }

        private void RunAll()
        {
            while (Next() is { } run)
            {
                try
                {
                    run.Run();
                }
#pragma warning disable CA1031 // The top of a thread that all actors share: one that fails must not take the process with it.
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    _events.Publish(new Error(exception, Id, GetType(), "an actor's mailbox failed"));
                }
            }
        }

        private IRunnable? Next()
        {
            lock (_due)
            {
                while (!_stopped && _due.Count == 0) Monitor.Wait(_due);
                return _due.TryDequeue(out IRunnable? run) ? run : null;
            }
        }
    }
}
