using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>
/// Waits for any number of sockets on one thread. What waited goes on there too, so it needs no thread of the pool, whatever blocks that.
/// It may not block.
/// </summary>
internal sealed class SocketLoop : IDisposable
{
    private sealed record Waiter(Socket Socket, bool Writes, long Since, TimeSpan Most, TaskCompletionSource Ready)
    {
        public bool IsOverdue => Most != Timeout.InfiniteTimeSpan && Stopwatch.GetElapsedTime(Since) > Most;
    }

    /// <summary>How often it is looked whether somebody has waited for too long.</summary>
    private static readonly TimeSpan _lookEvery = TimeSpan.FromSeconds(1);

    private readonly List<Waiter> _waiting = [];                     // its monitor guards it, _closing and _ended
    private readonly List<Socket> _closing = [];
    private readonly Socket _wake = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp),
        _woken = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Thread _thread;
    private int _called;                                             // 1: a byte is under way to the thread
    private volatile bool _stopped;
    private bool _ended;

    /// <summary>A loop.</summary>
    /// <param name="name">Name of its thread.</param>
    /// <param name="transferred">Told of bytes that go over its connections: <c>transmit</c> or <c>receive</c>, and how many.</param>
    public SocketLoop(string name, Action<string, long> transferred)
    {
        Transferred = transferred;
        // A pair of sockets of this machine, which hear only each other: one wakes the thread that waits for the other.
        _woken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Connect(_woken.LocalEndPoint!);
        _woken.Connect(_wake.LocalEndPoint!);
        _thread = new(Run) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Told of the bytes that go over its connections.</summary>
    public Action<string, long> Transferred { get; }

    /// <summary>Ends the thread; who still waits, waits for ever.</summary>
    public void Dispose()
    {
        _stopped = true;
        Wake();
    }

    /// <summary>Waits until a socket can be read, or written.</summary>
    /// <param name="socket">A socket that does not block.</param>
    /// <param name="writes">Whether it is to be written.</param>
    /// <param name="most">How long is waited at most; infinite for no bound.</param>
    /// <param name="here">Whether what waited goes on on this loop's thread, or on the pool.</param>
    /// <exception cref="IOException">The time is up.</exception>
    /// <exception cref="ObjectDisposedException">The socket was closed meanwhile.</exception>
    public Task WaitAsync(Socket socket, bool writes, TimeSpan most, bool here)
    {
        var ready = new TaskCompletionSource(here ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_waiting) _waiting.Add(new(socket, writes, Stopwatch.GetTimestamp(), most, ready));
        Wake();
        return ready.Task;
    }

    /// <summary>
    /// Closes a socket; who waits for it hears of it. The thread does so between two waits: to close what it waits for would reset the
    /// connection, and the other end might lose what was sent last.
    /// </summary>
    public void Close(Socket socket)
    {
        lock (_waiting)
            if (!_ended) _closing.Add(socket);
            else socket.Dispose();
        Wake();
    }

    /// <summary>Has the thread look again: somebody waits, or a socket is to be closed.</summary>
    private void Wake()
    {
        // On its own thread it looks again before it waits. Elsewhere, one byte is enough for all who come until it has looked.
        if (Thread.CurrentThread == _thread || Interlocked.Exchange(ref _called, 1) == 1) return;
        try
        {
            _wake.Send([0]);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
        {
            // The loop has ended.
        }
    }

    private void Run()
    {
        byte[] call = new byte[1];
        while (!_stopped)
        {
            List<Socket> reads = [_woken], writes = [];
            bool closes;
            lock (_waiting)
            {
                closes = CloseAll();
                foreach (Waiter waiter in _waiting)
                    if (!waiter.Socket.SafeHandle.IsClosed) (waiter.Writes ? writes : reads).Add(waiter.Socket);
            }
            try
            {
                Socket.Select(reads, writes, null, closes ? TimeSpan.Zero : _lookEvery);
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                (reads, writes) = ([], []);                          // one was closed by another between the look and the wait
            }
            HashSet<Socket> readable = [.. reads], writable = [.. writes];
            if (readable.Contains(_woken))
            {
                _woken.Receive(call);
                Interlocked.Exchange(ref _called, 0);                // before it is looked who waits
            }
            Waiter[] ended;
            lock (_waiting)
            {
                ended = [.. _waiting.Where(waiter => IsReady(waiter) || waiter.Socket.SafeHandle.IsClosed || waiter.IsOverdue)];
                if (ended.Length > 0) _waiting.RemoveAll(new HashSet<Waiter>(ended, ReferenceEqualityComparer.Instance).Contains);
            }
            foreach (Waiter waiter in ended)
            {
                if (waiter.Socket.SafeHandle.IsClosed) waiter.Ready.SetException(new ObjectDisposedException(nameof(Socket)));
                else if (IsReady(waiter)) waiter.Ready.SetResult();
                else waiter.Ready.SetException(new IOException($"the other end has taken nothing for {waiter.Most.TotalSeconds:0} s"));
            }

            bool IsReady(Waiter waiter) => (waiter.Writes ? writable : readable).Contains(waiter.Socket);
        }
        lock (_waiting)
        {
            _ended = true;
            CloseAll();
        }
        _wake.Dispose();
        _woken.Dispose();

        bool CloseAll()
        {
            foreach (Socket socket in _closing) socket.Dispose();
            bool any = _closing.Count > 0;
            _closing.Clear();
            return any;
        }
    }
}
