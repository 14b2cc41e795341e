using System.Net;
using System.Net.Sockets;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>The two ends of a connection on this machine.</summary>
internal sealed class SocketPair : IDisposable
{
    public SocketPair()
    {
        using Socket listener = Listen();
        var there = new Socket(SocketType.Stream, ProtocolType.Tcp);
        there.Connect(listener.LocalEndPoint!);
        (Here, There) = (new(listener.Accept(), ownsSocket: true), new(there, ownsSocket: true));
    }

    public NetworkStream Here { get; }

    public NetworkStream There { get; }

    /// <summary>A socket that listens on a free port of this machine.</summary>
    public static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        return socket;
    }

    public void Dispose()
    {
        Here.Dispose();
        There.Dispose();
    }
}
