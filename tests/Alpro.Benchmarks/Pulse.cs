using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Tests.Support;

namespace Alpro.Benchmarks;

/// <summary>Two members of a cluster, and messages between them 20 times a second.</summary>
internal sealed class Pulse : IAsyncDisposable
{
    private readonly RunHost _first, _second;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<(int Unreachable, List<double> Milliseconds)> _beating;

    private Pulse(RunHost first, RunHost second)
    {
        (_first, _second) = (first, second);
        _beating = Task.Run(BeatAsync);                              // it uses both
    }

    public static async Task<Pulse> StartAsync()
    {
        int port = FreePorts.One();
        RunHost first = await NodeAsync(NodeRole.Coordinator, port), second = await NodeAsync(NodeRole.Decoder, 0);
        var up = new TaskCompletionSource();
        Akka.Cluster.Cluster.Get(second.System).RegisterOnMemberUp(() => up.SetResult());
        await up.Task;
        return new(first, second);

        Task<RunHost> NodeAsync(NodeRole role, int at) => RunHost.StartAsync(RunningSettings.ConfFile("cluster.conf"),
            join: settings => ClusterNode.From(role, settings) with { Port = at, DataPort = 0, Seeds = [$"127.0.0.1:{port}"] });
    }

    /// <summary>How the cluster fared.</summary>
    public async Task<string> ReportAsync()
    {
        await _stop.CancelAsync();
        (int unreachable, List<double> times) = await _beating;
        times.Sort();
        return $"meanwhile {times.Count} control messages there and back: median {times[times.Count / 2]:F1} ms, 99 % within "
            + $"{times[times.Count * 99 / 100]:F1} ms, the slowest {times[^1]:F1} ms; nodes taken for dead: {unreachable}";
    }

    public async ValueTask DisposeAsync()
    {
        await _second.DisposeAsync();
        await _first.DisposeAsync();
    }

    private async Task<(int, List<double>)> BeatAsync()
    {
        var cluster = Akka.Cluster.Cluster.Get(_first.System);
        Address there = Akka.Cluster.Cluster.Get(_second.System).SelfAddress;
        // One of the actors that the settings let other nodes speak to.
        ActorSelection far = _first.System.ActorSelection(new RootActorPath(there) / "system" / "cluster" / "heartbeatReceiver");
        var times = new List<double>();
        int unreachable = 0;
        while (!_stop.IsCancellationRequested)
        {
            long began = Stopwatch.GetTimestamp();
            await far.ResolveOne(TimeSpan.FromSeconds(10));
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            unreachable = Math.Max(unreachable, cluster.State.Unreachable.Count);
            await Task.Delay(50, CancellationToken.None);
        }
        return (unreachable, times);
    }
}
