using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Dispatch;

namespace Alpro.Actors.Tests.Distributed;

/// <summary>Threads of a dispatcher that sleep while there is nothing to do.</summary>
public sealed class SleepingThreadsTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("threads", """
        akka { loglevel = OFF, stdout-loglevel = OFF }
        sleeping { type = Dispatcher, executor = "Alpro.Actors.Distributed.SleepingThreads, Alpro.Actors", threads = 2 }
        """);

    private readonly BlockingCollection<int> _done = [];

    public void Dispose()
    {
        _system.Dispose();
        _done.Dispose();
    }

    private MessageDispatcher Dispatcher => _system.Dispatchers.Lookup("sleeping");

    private int[] Done(int count) => [.. Enumerable.Range(0, count)
        .Select(_ => _done.TryTake(out int what, TimeSpan.FromSeconds(20)) ? what : -1)];

    [Fact]
    public void All_that_is_given_at_once_from_many_threads_is_done()
    {
        Parallel.For(0, 8, part =>
        {
            for (int i = 0; i < 500; i++)
            {
                int what = 500 * part + i;
                Dispatcher.Schedule(() => _done.Add(what));
            }
        });
        Assert.Equal(Enumerable.Range(0, 4000), Done(4000).Order());
    }

    [Fact]
    public void Thread_that_is_blocked_leaves_the_other_to_work()
    {
        using var release = new ManualResetEventSlim();
        Dispatcher.Schedule(() =>
        {
            release.Wait();
            _done.Add(2);
        });
        Dispatcher.Schedule(() => _done.Add(1));
        Assert.Equal([1], Done(1));
        release.Set();
        Assert.Equal([2], Done(1));
    }

    [Fact]
    public void What_fails_takes_no_thread_with_it()
    {
        for (int i = 0; i < 4; i++) Dispatcher.Schedule(() => throw new InvalidOperationException("of no use"));
        Dispatcher.Schedule(() => _done.Add(1));
        Assert.Equal([1], Done(1));
    }

    [Fact]
    public async Task Threads_end_with_the_actor_system()
    {
        var thread = new TaskCompletionSource<Thread>();
        _system.ActorOf(Props.Create(() => new Teller(thread)).WithDispatcher("sleeping")).Tell("where");
        Thread working = await thread.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await _system.Terminate();
        Assert.True(working.Join(TimeSpan.FromSeconds(20)));
    }

    private sealed class Teller : ReceiveActor
    {
        public Teller(TaskCompletionSource<Thread> thread) => ReceiveAny(_ => thread.SetResult(Thread.CurrentThread));
    }
}
