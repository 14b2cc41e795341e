using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Tests.Distributed.Membership;

/// <summary>Akka's timers on a thread of their own; what they are for is shown in <see cref="ControlPlaneTests"/>.</summary>
public sealed class ThreadSchedulerTests : IDisposable
{
    private readonly ThreadScheduler _scheduler = new(Config.Empty, NoLogger.Instance);
    private readonly BlockingCollection<int> _done = [];

    public void Dispose()
    {
        _scheduler.Dispose();
        _done.Dispose();
    }

    private IActionScheduler Actions => _scheduler;

    private void Later(int milliseconds, int what, ICancelable? cancelable = null) =>
        Actions.ScheduleOnce(TimeSpan.FromMilliseconds(milliseconds), () => _done.Add(what), cancelable);

    private int[] Done(int count) => [.. Enumerable.Range(0,
        count).Select(_ => _done.TryTake(out int what, TimeSpan.FromSeconds(20)) ? what : -1)];

    [Fact]
    public void What_is_due_first_is_done_first()
    {
        Later(300, 3);
        Later(200, 2);
        Later(0, 1);
        Assert.Equal([1, 2, 3], Done(3));
    }

    [Fact]
    public void Nothing_is_done_before_it_is_due()
    {
        TimeSpan start = _scheduler.MonotonicClock;
        Later(50, 1);
        Assert.Equal([1], Done(1));
        Assert.True(_scheduler.MonotonicClock - start >= TimeSpan.FromMilliseconds(50));
    }

    [Fact]
    public void What_is_cancelled_is_done_no_more()
    {
        using var often = new Cancelable(Actions);
        using var once = new Cancelable(Actions);
        int times = 0;
        Actions.ScheduleRepeatedly(TimeSpan.Zero, TimeSpan.FromMilliseconds(1), () =>
        {
            _done.Add(1);
            if (++times == 3) often.Cancel();
        }, often);
        Later(10, 2, once);
        once.Cancel();
        Later(200, 3);
        Assert.Equal([1, 1, 1, 3], Done(4));
    }

    [Fact]
    public void Action_that_fails_takes_no_other_with_it()
    {
        Actions.ScheduleOnce(TimeSpan.Zero, () => throw new InvalidOperationException("of no use"));
        Later(1, 1);
        Assert.Equal([1], Done(1));
    }

    [Fact]
    public void After_the_end_nothing_can_be_scheduled()
    {
        _scheduler.Dispose();
        Assert.Throws<SchedulerException>(() => Later(0, 1));
    }
}
