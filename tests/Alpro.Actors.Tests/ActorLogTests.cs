using Akka.Actor;
using Akka.Event;
using Alpro.Actors.Hosting;
using Alpro.Tests.Support.Events;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace Alpro.Actors.Tests;

public sealed class ActorLogTests
{
    [Fact]
    public async Task What_the_actor_system_says_comes_into_the_log_for_whoever_debugs()
    {
        var said = new TaskCompletionSource<CollectedEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var log = new EventCollector(logged =>
        {
            if (logged.Name == nameof(ActorEvents.ActorSystemSpoke)) said.TrySetResult(logged);
        });
        await using RunHost host = await RunHost.StartAsync(log: log);
        host.System.EventStream.Publish(new Error(new IOException("the reason"), "akka://somebody", typeof(ActorSystem), "what happened"));
        CollectedEvent spoken = await said.Task.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((LogLevel.Debug, "akka://somebody", "what happened: the reason"),
            (spoken.Level, spoken.Fields["Actor"], spoken.Fields["Text"]));
    }
}
