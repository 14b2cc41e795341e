using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace Alpro.Actors.Cluster;

/// <summary>
/// How connections of the data plane are made: TCP, mutual TLS where there are certificates, then the token that the control plane gave the
/// caller. A connection that has not shown its token in time is closed; only so many are heard at once.
/// </summary>
public static class DataPlane
{
    /// <summary>Bytes of a token.</summary>
    public const int TokenLength = 16;

    /// <summary>Connections that may be about to show their token; one more is closed at once.</summary>
    private const int MaxUnproven = 16;

    private static readonly TimeSpan _proofTime = TimeSpan.FromSeconds(5);

    /// <summary>A token that nobody can guess.</summary>
    public static string NewToken() => RandomNumberGenerator.GetHexString(2 * TokenLength);

    /// <summary>Connects to a listener and shows it a token.</summary>
    /// <exception cref="IOException">Nobody listens there, or not to this node.</exception>
    public static async Task<Stream> ConnectAsync(string host, int port, string token, NodeCertificates? certificates, CancellationToken stop)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
            time.CancelAfter(_proofTime);
            await socket.ConnectAsync(host, port, time.Token);
            Stream stream = await SecureAsync(new NetworkStream(socket, ownsSocket: true), certificates, host, time.Token);
            await stream.WriteAsync(Convert.FromHexString(token), time.Token);
            return stream;
        }
        catch (Exception error) when (error is SocketException or AuthenticationException or OperationCanceledException or IOException)
        {
            socket.Dispose();
            throw new IOException($"no data connection to {host}:{port}: {error.Message}", error);
        }
    }

    /// <summary>Mutual TLS over a new connection, where there are certificates.</summary>
    /// <param name="stream">The connection; what is returned owns it.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="host">Whom the listener's certificate must name; empty for any node of the cluster; null on the listener's side.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="AuthenticationException">The other end is none of the cluster's nodes, or not that one.</exception>
    internal static async Task<Stream> SecureAsync(Stream stream, NodeCertificates? certificates, string? host, CancellationToken stop)
    {
        if (certificates is null) return stream;
        var tls = new SslStream(stream);
        if (host is null)
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = certificates.Own,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = (_, peer, _, _) => certificates.Trust(peer),
            }, stop);
            return tls;
        }
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = host,
            ClientCertificates = [certificates.Own],
            RemoteCertificateValidationCallback = (_, peer, _, errors) => (host.Length == 0 || !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) && certificates.Trust(peer),
        }, stop);
        return tls;
    }

    /// <summary>Listens until it is told to stop.</summary>
    /// <param name="socket">A socket that is bound; it is disposed at the end.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="proven">Told of every connection that has shown a token: what the token is worth is for it to say.</param>
    /// <param name="refused">Told of every connection that was closed, and why.</param>
    /// <param name="stop">Ends it.</param>
    public static async Task ListenAsync(Socket socket, NodeCertificates? certificates, Action<string, Stream> proven, Action<string> refused, CancellationToken stop)
    {
        using (socket)
        using (var unproven = new SemaphoreSlim(MaxUnproven))
        {
            socket.Listen();
            var hearings = new HashSet<Task>();
            try
            {
                while (true)
                {
                    Socket peer = await socket.AcceptAsync(stop);
                    hearings.RemoveWhere(static hearing => hearing.IsCompleted);
                    if (unproven.Wait(0, stop)) hearings.Add(HearAsync(peer));
                    else
                    {
                        refused($"{peer.RemoteEndPoint}: {MaxUnproven} others are about to show who they are");
                        peer.Dispose();
                    }
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(hearings);
            }

            async Task HearAsync(Socket peer)
            {
                EndPoint? from = peer.RemoteEndPoint;
                try
                {
                    peer.NoDelay = true;
                    (string token, Stream stream) = await ProveAsync(new NetworkStream(peer, ownsSocket: true), certificates, stop);
                    proven(token, stream);
                }
                catch (Exception error) when (error is IOException or SocketException or AuthenticationException or CryptographicException or OperationCanceledException)
                {
                    peer.Dispose();
                    refused($"{from}: {(error is OperationCanceledException ? $"did not show who it is within {_proofTime.TotalSeconds:0} s" : error.Message)}");
                }
                finally
                {
                    unproven.Release();
                }
            }
        }
    }

    private static async Task<(string Token, Stream Stream)> ProveAsync(Stream stream, NodeCertificates? certificates, CancellationToken stop)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
        time.CancelAfter(_proofTime);
        stream = await SecureAsync(stream, certificates, host: null, time.Token);
        byte[] token = new byte[TokenLength];
        await stream.ReadExactlyAsync(token, time.Token);
        return (Convert.ToHexString(token), stream);
    }
}
