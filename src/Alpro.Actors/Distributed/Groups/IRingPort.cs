using System.Net;
using System.Net.Sockets;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Training.Collectives;

namespace Alpro.Actors.Distributed.Groups;

/// <summary>Where a trainer hears its neighbour in a ring.</summary>
internal interface IRingPort : IDisposable
{
    /// <summary>Where others reach it, <c>host:port</c>.</summary>
    string Endpoint { get; }

    /// <summary>Forms a ring with the other ranks of a group.</summary>
    /// <exception cref="CollectivesException">A neighbour did not come in time, or is in another generation.</exception>
    Task<IWatchedGroup> JoinAsync(RingGroup group, CancellationToken stop);
}

/// <summary>The ring port of a node.</summary>
internal sealed class RingPort : IRingPort
{
    /// <summary>How long a group may take to form. All ranks are told at once, so one that does not come has died.</summary>
    private static readonly TimeSpan _forming = TimeSpan.FromSeconds(5);

    private readonly ClusterNode _node;
    private readonly Socket _listener;
    private readonly RingSettings _settings;

    /// <summary>Listens on the node's port.</summary>
    /// <param name="node">The node.</param>
    /// <param name="refused">Told of every connection that was refused, and why.</param>
    /// <exception cref="UsageException">The port cannot be had.</exception>
    public RingPort(ClusterNode node, Action<string> refused)
    {
        (_node, _listener) = (node, node.Listen(node.RingPort, "--ring-port"));
        _settings = new()
        {
            Forming = _forming,
            Open = async (socket, incoming, stop) =>
            await Connections.SecureAsync(new NetworkStream(socket, ownsSocket: true), node.Certificates, incoming ? null : "", stop),
            Refused = refused,
        };
    }

    /// <inheritdoc/>
    public string Endpoint => $"{_node.Host}:{((IPEndPoint)_listener.LocalEndPoint!).Port}";

    /// <inheritdoc/>
    public async Task<IWatchedGroup> JoinAsync(RingGroup group, CancellationToken stop) =>
        await RingCollectives.JoinAsync(group, _listener, _settings, stop);

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();
}
