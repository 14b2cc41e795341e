using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Remote.Transport;
using Alpro.Actors.Distributed.Membership;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>The node that <see cref="ControlTransport"/> speaks for, and its socket.</summary>
internal sealed class ControlSetup(ClusterNode node) : Setup
{
    public ClusterNode Node { get; } = node;

    public Socket Socket { get; } = node.Listen(node.Port, "--port");
}

/// <summary>
/// The control plane: how Akka's messages travel from node to node, each in a frame of its length and its bytes. Akka's own transport is
/// not used. Under TLS it ends the whole node when another goes away, or stands still, while it is being called. The loss of one would be
/// the loss of many. All connections share the thread of one <see cref="SocketLoop"/>, so that heartbeats go out and come in whatever
/// blocks the thread pool, and a thousand members take no more threads than two.
/// </summary>
internal sealed class ControlTransport : Akka.Remote.Transport.Transport
{
    /// <summary>Bytes by which Akka's own protocol makes a message longer than it has been told is the most.</summary>
    private const int Overhead = 64;

    /// <summary>Where there are no certificates, any process of the machine may connect.</summary>
    private const int MaxConnections = 4096;

    private readonly ClusterNode _node;
    private readonly ILogger _log;
    private readonly Socket _socket;
    private readonly SocketLoop _loop = new("control", ActorMetrics.ControlTransfer);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, Connection> _open = new();
    private Address _local = Address.AllSystems;
    private Task _listening = Task.CompletedTask;

    /// <summary>Called by Akka, with the section of the running settings that names this class.</summary>
    public ControlTransport(ActorSystem system, Config config)
    {
        (System, Config, SchemeIdentifier) = (system, config, "tcp");
        MaximumPayloadBytes = config.GetByteSize("maximum-frame-size")!.Value - Overhead;
        ControlSetup setup = system.Settings.Setup.Get<ControlSetup>().Value;
        (_node, _socket) = (setup.Node, setup.Socket);
        _log = system.Log();
    }

    /// <inheritdoc/>
    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        _local = new(SchemeIdentifier, System.Name, _node.Host, ((IPEndPoint)_socket.LocalEndPoint!).Port);
        var listener = new TaskCompletionSource<IAssociationEventListener>(TaskCreationOptions.RunContinuationsAsynchronously);
        _listening = ListenAsync(listener.Task);
        return Task.FromResult((_local, listener));
    }

    private async Task ListenAsync(Task<IAssociationEventListener> told)
    {
        try
        {
            IAssociationEventListener listener = await told.WaitAsync(_stop.Token);
            await Connections.ListenAsync(_socket, _node.Certificates, (stream, from, _) =>
            {
                if (_open.Count >= MaxConnections) throw new IOException($"there are {MaxConnections} connections already");
                var caller = (IPEndPoint)from;
                listener.Notify(new InboundAssociation(Open(stream,
                    new(SchemeIdentifier, System.Name, caller.Address.ToString(), caller.Port))));
                return Task.CompletedTask;
            }, _log.ControlConnectionRefused, _stop.Token, _loop);
        }
        catch (OperationCanceledException)
        {
            _socket.Dispose();                                       // nobody has come to hear of connections
        }
    }

    /// <inheritdoc/>
    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        try
        {
            return Open(await Connections.ConnectAsync(remoteAddress.Host!, remoteAddress.Port!.Value, _node.Certificates, _stop.Token,
                _loop), remoteAddress);
        }
        catch (IOException exception)
        {
            throw new InvalidAssociationException(exception.Message);      // Akka logs it with all that it bears
        }
    }

    /// <inheritdoc/>
    public override bool IsResponsibleFor(Address remote) => true;

    /// <inheritdoc/>
    public override async Task<bool> Shutdown()
    {
        await _stop.CancelAsync();
        await _listening;
        foreach (Connection connection in _open.Values) connection.Close();
        await Task.WhenAll(_open.Keys);
        _loop.Dispose();
        return true;
    }

    private Connection Open(Stream stream, Address remote)
    {
        var connection = new Connection(stream, _local, remote, (int)MaximumPayloadBytes + Overhead, _log);
        _open[connection.Over] = connection;
        connection.Over.ContinueWith(over => _open.TryRemove(over, out _), TaskScheduler.Default);
        connection.Start();
        return connection;
    }

    /// <summary>One connection with another node.</summary>
    private sealed class Connection : AssociationHandle
    {
        /// <summary>Messages that may wait to be sent; Akka keeps those that follow, and asks again.</summary>
        private const int MaxWaiting = 64;

        /// <summary>Bytes that are read at once, where so many have come.</summary>
        private const int ReadAhead = 8 << 10;

        private readonly Stream _stream;
        private readonly int _longest;
        private readonly ILogger _log;
        private readonly Queue<ByteString> _outgoing = [];           // its monitor guards it, _sending and _closing
        private readonly TaskCompletionSource _closed = new(), _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _sending, _closing;

        public Connection(Stream stream, Address local, Address remote, int longest, ILogger log) : base(local, remote) =>
            (_stream, _longest, _log) = (stream, longest, log);

        /// <summary>Ends when the connection has.</summary>
        public Task Over => _over.Task;

        public void Start() => _ = ReceiveAllAsync();

        /// <inheritdoc/>
        public override bool Write(ByteString payload)
        {
            lock (_outgoing)
            {
                if (_closing || _outgoing.Count >= MaxWaiting) return false;
                _outgoing.Enqueue(payload);
                if (_sending) return true;
                _sending = true;
            }
            _ = SendAllAsync();                                      // here, until the other end takes no more; then in the loop
            return true;
        }

        /// <inheritdoc/>
        [Obsolete("As Akka's own is.")]
        public override void Disassociate() => Close();

        /// <summary>Closes the connection when all that waits has been sent.</summary>
        public void Close()
        {
            lock (_outgoing)
            {
                _closing = true;
                if (_sending) return;
                _sending = true;
            }
            _ = SendAllAsync();
        }

        private async Task SendAllAsync()
        {
            bool closes;
            try
            {
                while (Next(out closes) is { } payload)
                {
                    int length = sizeof(int) + payload.Length;
                    byte[] frame = ArrayPool<byte>.Shared.Rent(length);
                    BinaryPrimitives.WriteInt32LittleEndian(frame, payload.Length);
                    payload.Span.CopyTo(frame.AsSpan(sizeof(int)));
                    await _stream.WriteAsync(frame.AsMemory(0, length)).ConfigureAwait(false);
                    ArrayPool<byte>.Shared.Return(frame);            // one that is being sent when the connection ends is the collector's
                }
            }
            catch (Exception exception) when (IsGone(exception))
            {
                lock (_outgoing) _closing = closes = true;           // whoever receives says so
            }
            if (!closes) return;
            await _stream.DisposeAsync().ConfigureAwait(false);
            _closed.TrySetResult();
        }

        private ByteString? Next(out bool closes)
        {
            lock (_outgoing)
            {
                closes = _closing;
                if (_outgoing.TryDequeue(out ByteString? payload)) return payload;
                _sending = closes;                                   // who closes sends no more
                return null;
            }
        }

        private async Task ReceiveAllAsync()
        {
            // Akka says who hears what comes when it has made up its mind about the connection.
            await Task.WhenAny(ReadHandlerSource.Task, _closed.Task).ConfigureAwait(false);
            IHandleEventListener? listener = ReadHandlerSource.Task.IsCompletedSuccessfully
                ? await ReadHandlerSource.Task.ConfigureAwait(false) : null;
            byte[] head = new byte[sizeof(int)];
            var input = new BufferedStream(_stream, ReadAhead);      // what has come is read at once, and not length by length
            try
            {
                while (listener is not null)
                {
                    await input.ReadExactlyAsync(head).ConfigureAwait(false);
                    int length = BinaryPrimitives.ReadInt32LittleEndian(head);
                    if (length < 0 || length > _longest)
                    {
                        _log.ControlFrameRefused(RemoteAddress.Endpoint(), length, _longest);
                        break;
                    }
                    byte[] payload = GC.AllocateUninitializedArray<byte>(length);
                    await input.ReadExactlyAsync(payload).ConfigureAwait(false);
                    listener.Notify(new InboundPayload(UnsafeByteOperations.UnsafeWrap(payload)));
                }
            }
            catch (Exception exception) when (IsGone(exception))
            {
                _log.ControlConnectionEnded(RemoteAddress.Endpoint(), exception.Message);
            }
            Close();
            await _stream.DisposeAsync().ConfigureAwait(false);      // the other may be in the middle of it
            await _closed.Task.ConfigureAwait(false);
            listener?.Notify(new Disassociated(DisassociateInfo.Unknown));
            _over.SetResult();
        }

        /// <summary>In TLS 1.3 the first read tells a caller that it was refused.</summary>
        private static bool IsGone(Exception problem) => problem is IOException or ObjectDisposedException or AuthenticationException;
    }
}
