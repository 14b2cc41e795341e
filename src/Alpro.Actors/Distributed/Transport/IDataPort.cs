using System.Net;
using System.Net.Sockets;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>Where a node hears those who bring clips.</summary>
internal interface IDataPort : IDisposable
{
    /// <summary>The host under which others reach it.</summary>
    string Host { get; }

    /// <summary>Its number.</summary>
    int Port { get; }

    /// <summary>Hears whoever connects, until it is told to stop; as <see cref="DataPlane.ListenAsync"/>.</summary>
    Task ListenAsync(Action<string, Stream> proven, Action<string> refused, CancellationToken stop);
}

/// <summary>The data port of a node.</summary>
/// <param name="node">The node.</param>
/// <param name="socket">A socket on that port; it is this object's.</param>
internal sealed class DataPort(ClusterNode node, Socket socket) : IDataPort
{
    /// <inheritdoc/>
    public string Host => node.Host;

    /// <inheritdoc/>
    public int Port => ((IPEndPoint)socket.LocalEndPoint!).Port;

    /// <inheritdoc/>
    public Task ListenAsync(Action<string, Stream> proven, Action<string> refused, CancellationToken stop) =>
        DataPlane.ListenAsync(socket, node.Certificates, proven, refused, stop, DataPlane.Loop);

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();
}
