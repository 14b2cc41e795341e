using System.Net.Sockets;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Tests.Distributed.Decoding;

namespace Alpro.Actors.Tests.Distributed.Transport;

/// <summary>Connections that are waited for on one thread.</summary>
public sealed class LoopStreamTests : IDisposable
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(30);

    private readonly List<LoopStream> _streams = [];
    private readonly SocketLoop _loop;
    private long _sent, _received;

    public LoopStreamTests() => _loop = new("test",
        (direction, bytes) => Interlocked.Add(ref (direction == "transmit" ? ref _sent : ref _received), bytes));

    public void Dispose()
    {
        foreach (LoopStream stream in _streams) stream.Dispose();
        _loop.Dispose();
    }

    private (LoopStream, LoopStream) Connect()
    {
        using Socket listener = SocketPair.Listen();
        var there = new Socket(SocketType.Stream, ProtocolType.Tcp);
        there.Connect(listener.LocalEndPoint!);
        LoopStream[] ends = [new(listener.Accept(), _loop), new(there, _loop)];
        foreach (LoopStream stream in ends) stream.GoOnInLoop();
        _streams.AddRange(ends);
        return (ends[0], ends[1]);
    }

    [Fact]
    public async Task More_than_a_connection_holds_arrives_whole_whoever_waits_for_it()
    {
        (LoopStream here, LoopStream there) = Connect();
        byte[] sent = new byte[32 << 20], received = new byte[sent.Length];
        for (int i = 0; i < sent.Length; i++) sent[i] = (byte)(i * 31 >> 3);
        Task writing = here.WriteAsync(sent).AsTask();               // nobody reads yet: it waits in the loop
        Assert.False(writing.IsCompleted);
        await there.ReadExactlyAsync(received).AsTask().WaitAsync(_deadline);
        await writing.WaitAsync(_deadline);
        Assert.True(sent.AsSpan().SequenceEqual(received));
        Assert.Equal(((long)sent.Length, (long)sent.Length), (_sent, _received));
    }

    [Fact]
    public async Task All_that_wait_at_once_hear_of_what_comes_however_many_come_at_once()
    {
        (LoopStream Here, LoopStream There)[] pairs = [.. Enumerable.Range(0, 40).Select(_ => Connect())];
        for (int round = 0; round < 20; round++)
        {
            byte[][] got = [.. pairs.Select(_ => new byte[1])];
            Task[] reading = [.. pairs.Select((pair, i) => Task.Run(() => pair.There.ReadExactlyAsync(got[i]).AsTask()))];
            await Task.WhenAll(pairs.Select((pair, i) => Task.Run(() => pair.Here.WriteAsync(new[] { (byte)i }).AsTask())));
            await Task.WhenAll(reading).WaitAsync(_deadline);
            Assert.All(got, (bytes, i) => Assert.Equal(i, bytes[0]));
        }
    }

    [Fact]
    public async Task Connection_that_is_closed_is_waited_for_no_longer()
    {
        (LoopStream here, LoopStream there) = Connect();
        Task<int> mine = here.ReadAsync(new byte[1]).AsTask(), theirs = there.ReadAsync(new byte[1]).AsTask();
        await here.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => mine.WaitAsync(_deadline));
        Assert.Equal(0, await theirs.WaitAsync(_deadline));
    }
}
