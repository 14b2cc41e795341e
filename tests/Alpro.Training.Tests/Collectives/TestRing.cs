using System.Net;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

/// <summary>Rings of ranks that are threads of this process, over loopback.</summary>
internal sealed class TestRing : IDisposable
{
    public TestRing(int world)
    {
        Listeners = [.. Enumerable.Range(0, world).Select(_ =>
        {
            var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            return listener;
        })];
    }

    public Socket[] Listeners { get; }

    public EndPoint[] Endpoints => [.. Listeners.Select(listener => listener.LocalEndPoint!)];

    public RingGroup Group(int rank, long generation = 1) => new(generation, rank, Endpoints);

    public Task<RingCollectives> Join(int rank, RingSettings? settings = null, long generation = 1) =>
        RingCollectives.JoinAsync(Group(rank, generation), Listeners[rank], settings ?? new());

    /// <summary>All ranks of a generation, connected.</summary>
    public RingCollectives[] Form(Func<int, RingSettings>? settings = null, long generation = 1) =>
        Task.WhenAll(Enumerable.Range(0, Listeners.Length).Select(rank => Join(rank, settings?.Invoke(rank), generation))).GetAwaiter()
        .GetResult();

    /// <summary>A group of so many ranks; one rank needs no ring.</summary>
    public static ICollectives[] Form(int world, Func<int, RingSettings>? settings = null)
    {
        if (world == 1) return [new SoloGroup()];
        using var ring = new TestRing(world);
        return ring.Form(settings);
    }

    /// <summary>Runs every rank on a thread of its own, in a dispose scope, and throws what the first of them threw.</summary>
    public static T[] OnThreads<T>(int world, Func<int, T> body)
    {
        var results = new T[world];
        var failures = new Exception?[world];
        Thread[] threads = [.. Enumerable.Range(0, world).Select(rank => new Thread(() =>
        {
            try
            {
                using var scope = NewDisposeScope();
                results[rank] = body(rank);
            }
#pragma warning disable CA1031 // the top of a thread: thrown below
            catch (Exception failure)
#pragma warning restore CA1031
            {
                failures[rank] = failure;
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(60)), "a rank hangs");
        if (failures.FirstOrDefault(failure => failure is not null) is { } first) ExceptionDispatchInfo.Throw(first);
        return results;
    }

    /// <summary>Forms a ring, runs every rank, and leaves in order.</summary>
    public static T[] Run<T>(int world, Func<ICollectives, T> body)
    {
        ICollectives[] ranks = Form(world);
        return OnThreads(world, rank =>
        {
            using ICollectives own = ranks[rank];
            return body(own);
        });
    }

    public void Dispose()
    {
        foreach (Socket listener in Listeners) listener.Dispose();
    }
}
