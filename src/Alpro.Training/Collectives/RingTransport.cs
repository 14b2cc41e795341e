using System.Buffers.Binary;
using System.Net.Sockets;

namespace Alpro.Training.Collectives;

/// <summary>What the ranks of a ring do together.</summary>
internal enum RingOperation
{
    AllReduce,
    AllGather,
    Broadcast,
}

/// <summary>A part of an operation's memory; in a frame its bytes follow a header that says all else of it.</summary>
/// <param name="Buffer">The memory.</param>
/// <param name="Number">The operation's number in the group.</param>
/// <param name="Operation">What it is.</param>
/// <param name="Position">First byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct RingSegment(nint Buffer, long Number, RingOperation Operation, long Position, int Length)
{
    public const int HeaderLength = 32;

    public unsafe Span<byte> Bytes => new((byte*)Buffer + Position, Length);

    public void WriteHeader(Span<byte> header, long generation)
    {
        BinaryPrimitives.WriteInt64LittleEndian(header, generation);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], Number);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], Position);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], (int)Operation);
    }

    public static string Describe(ReadOnlySpan<byte> header) =>
        $"{(RingOperation)BinaryPrimitives.ReadInt32LittleEndian(header[28..])} of {BinaryPrimitives.ReadInt32LittleEndian(header[24..])} "
        + $"bytes at {BinaryPrimitives.ReadInt64LittleEndian(header[16..])}"
        + $" (operation {BinaryPrimitives.ReadInt64LittleEndian(header[8..])} of generation "
        + $"{BinaryPrimitives.ReadInt64LittleEndian(header)})";
}

/// <summary>
/// A rank's two connections. Data goes to the next rank and comes from the previous one. Against that stream every rank tells the previous
/// one that it lives, or who is lost. So one neighbour watches each rank, and a lost rank has the same name everywhere. Word of it goes
/// round the ring as fast as messages travel.
/// </summary>
internal sealed class RingTransport : IDisposable
{
    private const int WordLength = 20;

    /// <summary>Words to the previous rank that name nobody who is lost.</summary>
    private const int Alive = -1, Leaving = -2;

    /// <summary>A neighbour that closes its connections because of a third has sent word round the ring: time for it to arrive.</summary>
    private static readonly TimeSpan _wordTime = TimeSpan.FromMilliseconds(200);

    private readonly RingGroup _group;
    private readonly RingSettings _settings;
    private readonly RingLink _next, _previous;
    private readonly Queue<RingSegment> _outgoing = [];              // its monitor guards it and _sending
    private readonly Lock _wordLock = new();
    private readonly ManualResetEventSlim _over = new();
    private readonly Thread[] _threads;
    private long _operation, _nextLeftAfter = long.MaxValue;
    private bool _sending;

    public RingTransport(RingGroup group, RingSettings settings, RingLink next, RingLink previous)
    {
        (_group, _settings, _next, _previous) = (group, settings, next, previous);
        next.Stream.ReadTimeout = (int)settings.Silence.TotalMilliseconds;
        _threads = [.. new (string Name, Action Body)[] { ("send", SendAll), ("watch", Watch), ("live", GiveSignsOfLife) }
            .Select(part => new Thread(() => part.Body())
            {
                Name = $"ring-{group.Generation}-{group.Rank}-{part.Name}",
                IsBackground = true,
            })];
        foreach (Thread thread in _threads) thread.Start();
    }

    /// <summary>The group's end, which this rank's leaving is too.</summary>
    public GroupEnd End { get; } = new();

    /// <summary>Begins an operation.</summary>
    /// <returns>Its number.</returns>
    public long Begin()
    {
        long number = Interlocked.Increment(ref _operation);
        if (number > Interlocked.Read(ref _nextLeftAfter)) FailWithoutNext();
        End.ThrowIfOver();
        return number;
    }

    /// <summary>Queues a segment for the next rank; its memory must stay as it is until <see cref="Flush"/> has returned.</summary>
    public void Send(RingSegment segment)
    {
        lock (_outgoing)
        {
            _outgoing.Enqueue(segment);
            Monitor.PulseAll(_outgoing);
        }
    }

    /// <summary>Receives the bytes of a segment from the previous rank.</summary>
    public void Receive(RingSegment segment, Span<byte> bytes)
    {
        Span<byte> expected = stackalloc byte[RingSegment.HeaderLength], header = stackalloc byte[RingSegment.HeaderLength];
        segment.WriteHeader(expected, _group.Generation);
        try
        {
            _previous.Stream.ReadExactly(header);
            if (header.SequenceEqual(expected))
            {
                _previous.Stream.ReadExactly(bytes);
                return;
            }
        }
        catch (Exception exception) when (IsBroken(exception))
        {
            throw Lost(_previous.Peer, exception);
        }
        Fail(new(_previous.Peer, _group.Generation, $"sent {RingSegment.Describe(header)} where {RingSegment.Describe(expected)} is due"));
        End.ThrowIfOver();
    }

    /// <summary>Waits until all that was to be sent has left its memory.</summary>
    public void Flush()
    {
        lock (_outgoing)
            while (End.Reason is null && (_sending || _outgoing.Count > 0)) Monitor.Wait(_outgoing);
        End.ThrowIfOver();
    }

    /// <summary>Ends the group, and sends word of it round the ring.</summary>
    public void Fail(CollectivesException failure)
    {
        if (!End.TrySet(failure)) return;
        SendWord(failure.Peer);
        Close();
        End.Tell();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (End.TrySet(new(_group.Rank, _group.Generation, "has left the group")))
        {
            SendWord(Leaving);
            Close();
        }
        _next.Dispose();
        _previous.Dispose();
        foreach (Thread thread in _threads) thread.Join();
        _over.Dispose();
    }

    /// <summary>The thread that sends to the next rank.</summary>
    private void SendAll()
    {
        Span<byte> header = stackalloc byte[RingSegment.HeaderLength];
        while (true)
        {
            RingSegment segment;
            lock (_outgoing)
            {
                _sending = false;
                Monitor.PulseAll(_outgoing);
                while (!_over.IsSet && _outgoing.Count == 0) Monitor.Wait(_outgoing);
                if (_over.IsSet) return;
                segment = _outgoing.Dequeue();
                _sending = true;
            }
            try
            {
                segment.WriteHeader(header, _group.Generation);
                _next.Stream.Write(header);
                _next.Stream.Write(segment.Bytes);
            }
            catch (Exception exception) when (IsBroken(exception))
            {
                Lost(_next.Peer, exception);
                return;
            }
        }
    }

    /// <summary>The thread that hears from the next rank: that it lives, that it leaves, or who is lost.</summary>
    private void Watch()
    {
        Span<byte> word = stackalloc byte[WordLength];
        try
        {
            while (true)
            {
                _next.Stream.ReadExactly(word);
                (long generation, long operation, int rank) = (
                    BinaryPrimitives.ReadInt64LittleEndian(word), BinaryPrimitives.ReadInt64LittleEndian(word[8..]),
                    BinaryPrimitives.ReadInt32LittleEndian(word[16..]));
                if (generation == _group.Generation && rank == Alive) continue;
                if (generation == _group.Generation && rank == Leaving)
                {
                    Interlocked.Exchange(ref _nextLeftAfter, operation);
                    if (Interlocked.Read(ref _operation) > operation) FailWithoutNext();
                }
                else
                {
                    bool named = generation == _group.Generation && rank >= 0 && rank < _group.World;
                    Fail(named ? new(rank, _group.Generation, $"is lost, says rank {_next.Peer}") : new(_next.Peer, _group.Generation,
                        $"spoke of rank {rank} in generation {generation}"));
                }
                return;
            }
        }
        catch (Exception exception) when (IsBroken(exception))
        {
            bool silent = exception.InnerException is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock };
            Fail(new(_next.Peer, _group.Generation,
                silent ? $"gave no sign of life for {_settings.Silence.TotalSeconds:0.###} s" : $"is lost: {exception.Message}",
                exception));
        }
    }

    /// <summary>The thread that tells the previous rank that this one lives.</summary>
    private void GiveSignsOfLife()
    {
        while (!_over.Wait(_settings.Silence / 4)) SendWord(Alive);
    }

    private void SendWord(int rank)
    {
        Span<byte> word = stackalloc byte[WordLength];
        BinaryPrimitives.WriteInt64LittleEndian(word, _group.Generation);
        BinaryPrimitives.WriteInt64LittleEndian(word[8..], Interlocked.Read(ref _operation));
        BinaryPrimitives.WriteInt32LittleEndian(word[16..], rank);
        try
        {
            lock (_wordLock) _previous.Stream.Write(word);
        }
        catch (Exception exception) when (IsBroken(exception))
        {
            return;                                                  // the previous rank is watched by the one before it
        }
    }

    private void FailWithoutNext() => Fail(new(_next.Peer, _group.Generation, "has left the group"));

    /// <summary>A connection broke: because its other end is lost, unless word comes that it is another.</summary>
    private CollectivesException Lost(int peer, Exception problem)
    {
        if (!_over.Wait(_wordTime)) Fail(new(peer, _group.Generation, $"is lost: {problem.Message}", problem));
        return End.Reason!;
    }

    /// <summary>Lets all go that wait for the network.</summary>
    private void Close()
    {
        _over.Set();
        lock (_outgoing) Monitor.PulseAll(_outgoing);
        _next.Shutdown();
        _previous.Shutdown();
    }

    private static bool IsBroken(Exception problem) => problem is IOException or SocketException or ObjectDisposedException;
}
