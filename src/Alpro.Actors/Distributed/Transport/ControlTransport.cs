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
/// the loss of many. Every connection has two threads of its own, so that heartbeats go out and come in whatever blocks the thread pool.
/// </summary>
internal sealed class ControlTransport : Akka.Remote.Transport.Transport
{
    /// <summary>Bytes by which Akka's own protocol makes a message longer than it has been told is the most.</summary>
    private const int Overhead = 64;

    /// <summary>Where there are no certificates, any process of the machine may connect.</summary>
    private const int MaxConnections = 1024;

    private readonly ClusterNode _node;
    private readonly ILogger _log;
    private readonly Socket _socket;
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
            }, _log.ControlConnectionRefused, _stop.Token);
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
            return Open(await Connections.ConnectAsync(remoteAddress.Host!, remoteAddress.Port!.Value, _node.Certificates, _stop.Token),
                remoteAddress);
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

        /// <summary>Who takes nothing for so long has been given up by the cluster long since.</summary>
        private const int WriteMs = 15_000;

        private readonly Stream _stream;
        private readonly int _longest;
        private readonly ILogger _log;
        private readonly Queue<ByteString> _outgoing = [];           // its monitor guards it and _closing
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously),
            _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Thread _sender, _receiver;
        private bool _closing;

        public Connection(Stream stream, Address local, Address remote, int longest, ILogger log) : base(local, remote)
        {
            (_stream, _longest, _log) = (stream, longest, log);
            _stream.WriteTimeout = WriteMs;
            _sender = new(SendAll) { Name = $"control to {remote.HostPort()}", IsBackground = true };
            _receiver = new(ReceiveAll) { Name = $"control from {remote.HostPort()}", IsBackground = true };
        }

        /// <summary>Ends when the connection has.</summary>
        public Task Over => _over.Task;

        public void Start()
        {
            _sender.Start();
            _receiver.Start();
        }

        /// <inheritdoc/>
        public override bool Write(ByteString payload)
        {
            lock (_outgoing)
            {
                if (_closing || _outgoing.Count >= MaxWaiting) return false;
                _outgoing.Enqueue(payload);
                Monitor.PulseAll(_outgoing);
                return true;
            }
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
                Monitor.PulseAll(_outgoing);
            }
        }

        private void SendAll()
        {
            byte[] frame = new byte[sizeof(int) + _longest];
            try
            {
                while (Next() is { } payload)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(frame, payload.Length);
                    payload.Span.CopyTo(frame.AsSpan(sizeof(int)));
                    _stream.Write(frame, 0, sizeof(int) + payload.Length);
                }
            }
            catch (Exception exception) when (IsGone(exception))
            {
                Close();                                             // the thread that receives says so
            }
            _closed.TrySetResult();
            _stream.Dispose();
        }

        private ByteString? Next()
        {
            lock (_outgoing)
            {
                while (!_closing && _outgoing.Count == 0) Monitor.Wait(_outgoing);
                return _outgoing.TryDequeue(out ByteString? payload) ? payload : null;
            }
        }

        private void ReceiveAll()
        {
            // Akka says who hears what comes when it has made up its mind about the connection.
            Task.WaitAny(ReadHandlerSource.Task, _closed.Task);
            IHandleEventListener? listener = ReadHandlerSource.Task.IsCompletedSuccessfully
                ? ReadHandlerSource.Task.GetAwaiter().GetResult() : null;
            Span<byte> head = stackalloc byte[sizeof(int)];
            try
            {
                while (listener is not null)
                {
                    _stream.ReadExactly(head);
                    int length = BinaryPrimitives.ReadInt32LittleEndian(head);
                    if (length < 0 || length > _longest)
                    {
                        _log.ControlFrameRefused(RemoteAddress.Endpoint(), length, _longest);
                        break;
                    }
                    byte[] payload = GC.AllocateUninitializedArray<byte>(length);
                    _stream.ReadExactly(payload);
                    listener.Notify(new InboundPayload(UnsafeByteOperations.UnsafeWrap(payload)));
                }
            }
            catch (Exception exception) when (IsGone(exception))
            {
                _log.ControlConnectionEnded(RemoteAddress.Endpoint(), exception.Message);
            }
            Close();
            _stream.Dispose();                                       // the other thread may be in the middle of it
            _sender.Join();
            listener?.Notify(new Disassociated(DisassociateInfo.Unknown));
            _over.SetResult();
        }

        /// <summary>In TLS 1.3 the first read tells a caller that it was refused.</summary>
        private static bool IsGone(Exception problem) => problem is IOException or ObjectDisposedException or AuthenticationException;
    }
}
