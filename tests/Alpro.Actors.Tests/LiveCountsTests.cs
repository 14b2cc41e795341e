using System.Diagnostics.Metrics;
using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Alpro.Actors.Tests;

public sealed class LiveCountsTests : TestKit
{
    private readonly LiveCounts _counts = new("role", "state");

    private static string Show(Measurement<long> measurement) =>
        $"{string.Join(' ', measurement.Tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))}: {measurement.Value}";

    private string[] Read() => [.. _counts.Read().Select(Show).Order(StringComparer.Ordinal)];

    [Fact]
    public void Counts_with_the_same_attributes_are_added_up()
    {
        _counts.Add("first", "", () => false, () => [(["decoder", "up"], 2), (["trainer", "up"], 1)]);
        _counts.Add("second", "", () => false, () => [(["decoder", "up"], 3), (["decoder", "leaving"], 1)]);
        Assert.Equal(["role=decoder state=leaving: 1", "role=decoder state=up: 5", "role=trainer state=up: 1"], Read());
    }

    [Fact]
    public void Owner_has_one_source_of_a_name()
    {
        _counts.Add("owner", "name", () => false, () => [(["decoder", "up"], 2)]);
        _counts.Add("owner", "name", () => false, () => [(["decoder", "up"], 3)]);
        _counts.Add("owner", "other", () => false, () => [(["decoder", "up"], 10)]);
        Assert.Equal(["role=decoder state=up: 13"], Read());
    }

    [Fact]
    public void Owner_that_has_ended_is_not_asked()
    {
        bool ended = false;
        _counts.Add("owner", "", () => ended, () => ended ? throw new InvalidOperationException("asked") : [(["decoder", "up"], 2)]);
        Assert.Single(Read());
        ended = true;
        Assert.Empty(Read());
    }

    [Fact]
    public void Source_costs_the_same_however_many_there_are()
    {
        const int Sources = 2000;
        int asked = 0;
        for (int source = 0; source < Sources; source++)
            _counts.Add(source, "", () => ++asked < 0, static () => []);
        Assert.InRange(asked, 1, 2 * Sources);
    }

    [Fact]
    public async Task Mailbox_of_an_actor_is_watched_while_it_lives()
    {
        string kind = $"{Guid.NewGuid()}";
        using var release = new ManualResetEventSlim();
        var busy = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Busy(release, busy, kind)));
        for (int message = 0; message < 4; message++) actor.Tell("work");
        await busy.Task.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal([3], Depths(kind));                             // one is being worked on
        release.Set();
        Watch(actor);
        Sys.Stop(actor);
        await ExpectTerminatedAsync(actor);
        Assert.Empty(Depths(kind));
    }

    private static long[] Depths(string kind)
    {
        var depths = new List<long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Name == "alpro.actor.mailbox.depth") own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, depth, tags, _) =>
        {
            if ((string)tags[0].Value! == kind) depths.Add(depth);
        });
        listener.Start();
        listener.RecordObservableInstruments();
        return [.. depths];
    }

    private sealed class Busy : ReceiveActor
    {
        public Busy(ManualResetEventSlim release, TaskCompletionSource busy, string kind)
        {
            Receive<string>(_ =>
            {
                busy.TrySetResult();
                release.Wait();
            });
            ActorMetrics.WatchMailbox(Self, kind);
        }
    }
}
