namespace Alpro.Simulation;

/// <summary>
/// A connection of the data plane. What is written takes its time on the sender's network card and arrives in order. The system takes some
/// more than the other end has read, then the writer waits. When an end closes it, the other learns of it, if it is still there and
/// connected; if the whole host went, it never does.
/// </summary>
internal sealed class DataConnection
{
    /// <summary>Bytes that the two systems hold between the ends.</summary>
    private const long InSystems = 4 << 20;

    /// <summary>A connection between two nodes.</summary>
    /// <param name="world">The simulation.</param>
    /// <param name="caller">Who called.</param>
    /// <param name="listener">Who listened.</param>
    public DataConnection(World world, SimulatedNode caller, SimulatedNode listener)
    {
        (Caller, Listener) = (new(world, caller), new(world, listener));
        (Caller.Other, Listener.Other) = (Listener, Caller);
        caller.Connections.Add(Caller);
        listener.Connections.Add(Listener);
    }

    /// <summary>The end of whoever called.</summary>
    public End Caller { get; }

    /// <summary>The end of whoever listened.</summary>
    public End Listener { get; }

    /// <summary>One end.</summary>
    public sealed class End(World world, SimulatedNode node) : Stream
    {
        private readonly World _world = world;
        private readonly Queue<ReadOnlyMemory<byte>> _arrived = new();
        private Memory<byte> _room;
        private TaskCompletionSource<int>? _reading;
        private TaskCompletionSource? _writing;
        private long _underWay;
        private bool _closed, _otherClosed;

        public End Other { get; set; } = null!;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_closed) return ValueTask.FromException<int>(new IOException("the connection is closed"));
            if (_arrived.Count > 0) return ValueTask.FromResult(Take(buffer));
            if (_otherClosed) return ValueTask.FromResult(0);
            (_room, _reading) = (buffer, new());
            cancellationToken.Register(static reading => ((TaskCompletionSource<int>)reading!).TrySetCanceled(), _reading);
            return new(_reading.Task);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_closed || _otherClosed) return ValueTask.FromException(new IOException("the connection is closed"));
            byte[] bytes = buffer.ToArray();
            long size = (long)(bytes.Length * _world.Settings.BytesPerByte);
            _underWay += size;
            node.DataSent += size;
            // One clip after another goes out by the card, whoever it is for.
            TimeSpan begins = node.CardFree > _world.Time.Now ? node.CardFree : _world.Time.Now;
            node.CardFree = begins + TimeSpan.FromSeconds(size / _world.Settings.BytesPerSecond);
            _world.Time.After(node.CardFree - _world.Time.Now, () => _world.Network.Send(node, Other.Node, () =>
            {
                Other.Arrive(bytes);
                _underWay -= size;
                if (_underWay <= InSystems) Finish(ref _writing)?.TrySetResult();
            }));
            if (_underWay <= InSystems) return ValueTask.CompletedTask;
            _writing = new();
            return new(_writing.Task);
        }

        public SimulatedNode Node => node;

        /// <summary>The connection is gone on this end, and the other is told if it can be.</summary>
        /// <param name="told">Whether the system of this end can still tell.</param>
        public void Break(bool told)
        {
            if (_closed) return;
            _closed = true;
            node.Connections.Remove(this);
            Finish(ref _reading)?.TrySetException(new IOException("the connection is closed"));
            Finish(ref _writing)?.TrySetException(new IOException("the connection is closed"));
            if (told) _world.Network.Send(node, Other.Node, Other.Closed);
        }

        private void Arrive(byte[] bytes)
        {
            if (_closed)
            {
                _world.Network.Send(node, Other.Node, Other.Closed);     // as TCP answers
                return;
            }
            _arrived.Enqueue(bytes);
            if (Finish(ref _reading) is { } reading) reading.TrySetResult(Take(_room));
        }

        private void Closed()
        {
            _otherClosed = true;
            Finish(ref _reading)?.TrySetResult(0);
            Finish(ref _writing)?.TrySetException(new IOException("the other end closed the connection"));
        }

        private int Take(Memory<byte> room)
        {
            ReadOnlyMemory<byte> bytes = _arrived.Dequeue();
            int length = Math.Min(room.Length, bytes.Length);
            bytes[..length].CopyTo(room);
            if (length == bytes.Length) return length;
            ReadOnlyMemory<byte>[] later = [bytes[length..], .. _arrived];
            _arrived.Clear();
            foreach (ReadOnlyMemory<byte> rest in later) _arrived.Enqueue(rest);
            return length;
        }

        private static T? Finish<T>(ref T? waiting) where T : class
        {
            T? finished = waiting;
            waiting = null;
            return finished;
        }

        protected override void Dispose(bool disposing)
        {
            Break(told: true);
            base.Dispose(disposing);
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
