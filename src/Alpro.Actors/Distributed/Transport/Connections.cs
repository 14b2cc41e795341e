using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Distributed.Transport;

/// <summary>
/// How the connections of all planes are made: TCP, and mutual TLS where there are certificates. A caller that has not shown in time who it
/// is is closed; only so many are heard at once.
/// </summary>
internal static class Connections
{
    /// <summary>Callers that may be about to show who they are; one more is closed at once.</summary>
    private const int MaxUnproven = 16;

    private static readonly TimeSpan _proofTime = TimeSpan.FromSeconds(5), _acceptAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>Connects to a listener that shows a certificate of the cluster's authority for this host.</summary>
    /// <param name="host">The listener's host.</param>
    /// <param name="port">Its port.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="stop">Gives up.</param>
    /// <param name="loop">Who waits for the connection from then on; null for the thread pool.</param>
    /// <exception cref="IOException">Nobody listens there, or not this node, or not to this one.</exception>
    public static async Task<Stream> ConnectAsync(string host, int port, NodeCertificates? certificates, CancellationToken stop,
        SocketLoop? loop = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
            time.CancelAfter(_proofTime);
            await socket.ConnectAsync(host, port, time.Token);
            return await ProveAsync(socket, certificates, host, loop, time.Token);
        }
        catch (Exception exception) when (exception is SocketException or AuthenticationException or CryptographicException
            or OperationCanceledException or IOException)
        {
            socket.Dispose();
            throw new IOException($"no connection to {host}:{port}: "
                + $"{(exception is OperationCanceledException ? $"no answer within {_proofTime.TotalSeconds:0} s" : exception.Message)}",
                exception);
        }
    }

    /// <summary>Makes a stream of a connected socket, whose other end has shown who it is.</summary>
    private static async Task<Stream> ProveAsync(Socket socket, NodeCertificates? certificates, string? host, SocketLoop? loop,
        CancellationToken stop)
    {
        LoopStream? looped = loop is null ? null : new LoopStream(socket, loop);
        Stream stream = await SecureAsync(looped ?? (Stream)new NetworkStream(socket, ownsSocket: true), certificates, host, stop);
        looped?.GoOnInLoop();
        return stream;
    }

    /// <summary>Mutual TLS over a new connection, where there are certificates.</summary>
    /// <param name="stream">The connection; what is returned owns it.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="host">Whom the listener's certificate must name; empty for any node of the cluster; null on the listener's
    /// side.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="AuthenticationException">The other end is none of the cluster's nodes, or not that one.</exception>
    public static async Task<Stream> SecureAsync(Stream stream, NodeCertificates? certificates, string? host, CancellationToken stop)
    {
        if (certificates is null) return stream;
        var tls = new SslStream(stream);
        string? distrust = null;
        try
        {
            if (host is null)
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificate = certificates.Own,
                    ClientCertificateRequired = true,
                    RemoteCertificateValidationCallback = Trusts,
                }, stop);
            else
                await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    ClientCertificates = [certificates.Own],
                    RemoteCertificateValidationCallback = Trusts,
                }, stop);
            return tls;
        }
        catch (AuthenticationException exception) when (distrust is not null)
        {
            throw new AuthenticationException(distrust, exception);
        }

        bool Trusts(object sender, X509Certificate? peer, X509Chain? chain, SslPolicyErrors errors)
        {
            if (!certificates.Trust(peer)) distrust = "it shows no certificate of this cluster's authority";
            else if (host is { Length: > 0 } && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
                distrust = $"its certificate does not name {host}";
            return distrust is null;
        }
    }

    /// <summary>
    /// Hears whoever connects, until it is told to stop. What keeps a caller from being heard, such as too many open files, may pass: it is
    /// told, and the next is waited for.
    /// </summary>
    /// <param name="socket">A socket that listens; it is disposed at the end.</param>
    /// <param name="certificates">The node's certificates; null for plain TCP.</param>
    /// <param name="admit">Given every connection that is of the cluster, and the time that is left to it; it owns the stream unless it
    /// throws.</param>
    /// <param name="refused">Told of every connection that was closed, and why.</param>
    /// <param name="stop">Ends it.</param>
    /// <param name="loop">Who waits for the connections from then on; null for the thread pool.</param>
    public static async Task ListenAsync(Socket socket, NodeCertificates? certificates,
        Func<Stream, EndPoint, CancellationToken, Task> admit, Action<string> refused, CancellationToken stop, SocketLoop? loop = null)
    {
        using (socket)
        using (var unproven = new SemaphoreSlim(MaxUnproven))
        {
            var hearings = new HashSet<Task>();
            try
            {
                while (true)
                {
                    Socket peer;
                    EndPoint from;
                    try
                    {
                        peer = await socket.AcceptAsync(stop);
                        from = peer.RemoteEndPoint!;
                    }
                    catch (SocketException exception)
                    {
                        refused($"a caller could not be heard: {exception.Message}");
                        await Task.Delay(_acceptAgain, TimeProvider.System, stop);
                        continue;
                    }
                    hearings.RemoveWhere(static hearing => hearing.IsCompleted);
                    if (unproven.Wait(0, stop)) hearings.Add(HearAsync(peer, from));
                    else
                    {
                        refused($"{from}: {MaxUnproven} others are about to show who they are");
                        peer.Dispose();
                    }
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(hearings);
            }

            async Task HearAsync(Socket peer, EndPoint from)
            {
                try
                {
                    using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
                    time.CancelAfter(_proofTime);
                    peer.NoDelay = true;
                    await admit(await ProveAsync(peer, certificates, host: null, loop, time.Token), from, time.Token);
                }
                catch (Exception exception) when (exception is IOException or SocketException or AuthenticationException
                    or CryptographicException or OperationCanceledException)
                {
                    peer.Dispose();
                    refused(
                        $"{from}: {(exception is OperationCanceledException ? $"did not show who it is within {_proofTime.TotalSeconds:0} s" : exception.Message)}");
                }
                finally
                {
                    unproven.Release();
                }
            }
        }
    }
}
