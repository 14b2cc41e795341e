using System.Net.Sockets;
using System.Security.Cryptography;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>Connections by which clips travel: whoever calls shows the token that the control plane gave it.</summary>
internal static class DataPlane
{
    /// <summary>Bytes of a token.</summary>
    public const int TokenLength = 16;

    /// <summary>
    /// Waits for all connections of the process by which clips come to trainers. A clip comes in pieces, and the thread pool would wake two
    /// threads for each. Who sends or receives a clip counts its bytes.
    /// </summary>
    public static SocketLoop Loop { get; } = new("clips", static (_, _) => { });

    /// <summary>A token that nobody can guess.</summary>
    public static string NewToken() => RandomNumberGenerator.GetHexString(2 * TokenLength);

    /// <summary>Connects to a listener and shows it a token.</summary>
    /// <param name="host">The listener's host.</param>
    /// <param name="port">Its port.</param>
    /// <param name="token">The token.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="stop">Gives up.</param>
    /// <param name="loop">Who waits for the connection; null for the thread pool.</param>
    /// <exception cref="IOException">Nobody listens there, or not to this node.</exception>
    public static async Task<Stream> ConnectAsync(string host, int port, string token, NodeCertificates? certificates,
        CancellationToken stop, SocketLoop? loop = null)
    {
        Stream stream = await Connections.ConnectAsync(host, port, certificates, stop, loop);
        try
        {
            await stream.WriteAsync(Convert.FromHexString(token), stop);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Hears whoever connects, until it is told to stop.</summary>
    /// <param name="socket">A socket that listens; it is disposed at the end.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="proven">Told of every connection that has shown a token: what the token is worth is for it to say.</param>
    /// <param name="refused">Told of every connection that was closed, and why.</param>
    /// <param name="stop">Ends it.</param>
    /// <param name="loop">Who waits for the connections; null for the thread pool.</param>
    public static Task ListenAsync(Socket socket, NodeCertificates? certificates, Action<string, Stream> proven, Action<string> refused,
        CancellationToken stop, SocketLoop? loop = null) =>
        Connections.ListenAsync(socket, certificates, async (stream, _, time) =>
        {
            byte[] token = new byte[TokenLength];
            await stream.ReadExactlyAsync(token, time);
            proven(Convert.ToHexString(token), stream);
        }, refused, stop, loop);
}
