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

    private readonly List<Waiter> _waiting = [];                     // its monitor guards it
    private readonly Socket _wake = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp),
        _woken = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private volatile bool _stopped;

    /// <summary>A loop whose thread has this name.</summary>
    public SocketLoop(string name)
    {
        // A pair of sockets of this machine, which hear only each other: one wakes the thread that waits for the other.
        _woken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _wake.Connect(_woken.LocalEndPoint!);
        _woken.Connect(_wake.LocalEndPoint!);
        new Thread(Run) { Name = name, IsBackground = true }.Start();
    }

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

    /// <summary>Has the thread look again: somebody waits, or has closed a socket that is waited for.</summary>
    public void Wake()
    {
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
        byte[] nothing = new byte[64];
        while (!_stopped)
        {
            List<Socket> reads = [_woken], writes = [];
            lock (_waiting)
                foreach (Waiter waiter in _waiting)
                    if (!waiter.Socket.SafeHandle.IsClosed) (waiter.Writes ? writes : reads).Add(waiter.Socket);
            try
            {
                Socket.Select(reads, writes, null, _lookEvery);
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                (reads, writes) = ([], []);                          // one was closed between the look and the wait
            }
            HashSet<Socket> readable = [.. reads], writable = [.. writes];
            while (readable.Contains(_woken) && _woken.Available > 0) _woken.Receive(nothing);
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
        _wake.Dispose();
        _woken.Dispose();
    }
}
