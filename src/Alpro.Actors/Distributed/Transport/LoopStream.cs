using System.Net.Sockets;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>A connection that is waited for in a <see cref="SocketLoop"/>. One reader and one writer may use it at once.</summary>
internal sealed class LoopStream : Stream
{
    /// <summary>Who takes nothing for so long has been given up by the cluster long since.</summary>
    private static readonly TimeSpan _writeTime = TimeSpan.FromSeconds(15);

    private readonly Socket _socket;
    private readonly SocketLoop _loop;
    private volatile bool _proven;

    /// <summary>A stream over a connected socket, which is the stream's.</summary>
    public LoopStream(Socket socket, SocketLoop loop)
    {
        (_socket, _loop) = (socket, loop);
        socket.Blocking = false;
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>
    /// The other end has shown who it is: from now on, what waited goes on on the loop's thread. Before, it is the pool's, because to check
    /// certificates takes long.
    /// </summary>
    public void GoOnInLoop() => _proven = true;

    /// <inheritdoc/>
    /// <exception cref="IOException">The connection is gone.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            int read = _socket.Receive(buffer.Span, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
            {
                _loop.Transferred("receive", read);
                return read;
            }
            ThrowIfFailed(error);
            await WaitAsync(writes: false, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">The connection is gone, or the other end takes nothing.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            int written = _socket.Send(buffer.Span, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
            {
                _loop.Transferred("transmit", written);
                buffer = buffer[written..];
                continue;
            }
            ThrowIfFailed(error);
            await WaitAsync(writes: true, _writeTime, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _loop.Close(_socket);
        base.Dispose(disposing);
    }

    private async Task WaitAsync(bool writes, TimeSpan most, CancellationToken stop)
    {
        Task ready = _loop.WaitAsync(_socket, writes, most, _proven);
        if (!stop.CanBeCanceled) await ready.ConfigureAwait(false);
        else await ready.WaitAsync(stop).ConfigureAwait(false);
    }

    private static void ThrowIfFailed(SocketError error)
    {
        if (error != SocketError.WouldBlock) throw new IOException(new SocketException((int)error).Message);
    }
}
