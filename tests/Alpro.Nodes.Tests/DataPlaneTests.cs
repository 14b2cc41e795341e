using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Chaos;

namespace Alpro.Nodes.Tests;

/// <summary>Who may bring clips: whoever shows a certificate of the cluster's authority and a token, and nobody else.</summary>
public sealed class DataPlaneTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly NodeCertificates _own, _elsewhere;
    private readonly ConcurrentQueue<string> _proven = new(), _refused = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _listening = [];

    public DataPlaneTests()
    {
        NodeCertificates.Create(_folder.File("ours"), ["localhost", "elsewhere"], TimeProvider.System);
        _own = NodeCertificates.Load(Path.Combine(_folder.File("ours"), "localhost"));
        _elsewhere = NodeCertificates.Load(Path.Combine(_folder.File("ours"), "elsewhere"));
    }

    public void Dispose()
    {
        _stop.Cancel();
        Task.WhenAll(_listening).GetAwaiter().GetResult();
        _own.Dispose();
        _elsewhere.Dispose();
        _folder.Dispose();
    }

    private int Listen(NodeCertificates? certificates)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        int port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        _listening.Add(DataPlane.ListenAsync(socket, certificates, (token, stream) =>
        {
            _proven.Enqueue(token);
            stream.Dispose();
        }, _refused.Enqueue, _stop.Token));
        return port;
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition()) await Task.Delay(10, deadline.Token);
    }

    /// <summary>The connection was closed, said so once, and nothing came of it.</summary>
    private async Task AssertRefusedOnceAsync()
    {
        await WaitAsync(() => !_refused.IsEmpty);
        Assert.Single(_refused);
        Assert.Empty(_proven);
    }

    private static async Task<Socket> DialAsync(int port)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    /// <summary>Speaks TLS to whoever listens, and finds itself shut out.</summary>
    private static async Task IntrudeAsync(int port, X509Certificate2? shown)
    {
        using Socket socket = await DialAsync(port);
        await using var tls = new SslStream(new NetworkStream(socket));
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                ClientCertificates = shown is null ? null : [shown],
                RemoteCertificateValidationCallback = static (_, listener, _, _) => listener is not null,
            });
            // In TLS 1.3 the caller's side is done before the listener has looked at the certificate: the first read tells.
            await tls.WriteAsync(new byte[DataPlane.TokenLength]);
            if (await tls.ReadAsync(new byte[1]) == 0) throw new IOException("closed");
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Node_of_the_cluster_is_let_in_with_its_token(bool tls)
    {
        int port = Listen(tls ? _own : null);
        string token = DataPlane.NewToken();
        await using Stream stream = await DataPlane.ConnectAsync("localhost", port, token, tls ? _own : null, CancellationToken.None);
        await WaitAsync(() => !_proven.IsEmpty);
        Assert.Equal([token], _proven);
        Assert.Empty(_refused);
    }

    [Fact]
    public async Task Peer_without_a_certificate_is_refused()
    {
        int port = Listen(_own);
        await IntrudeAsync(port, shown: null);
        await AssertRefusedOnceAsync();
    }

    [Fact]
    public async Task Peer_of_another_authority_is_refused_and_refuses()
    {
        NodeCertificates.Create(_folder.File("theirs"), ["localhost"], TimeProvider.System);
        using NodeCertificates other = NodeCertificates.Load(Path.Combine(_folder.File("theirs"), "localhost"));
        int port = Listen(_own);
        await Assert.ThrowsAsync<IOException>(() =>
            DataPlane.ConnectAsync("localhost", port, DataPlane.NewToken(), other, CancellationToken.None));
        await AssertRefusedOnceAsync();

        _refused.Clear();
        await IntrudeAsync(port, shown: other.Own);
        await AssertRefusedOnceAsync();
    }

    [Fact]
    public async Task Node_does_not_bring_clips_to_a_listener_of_another_name()
    {
        int port = Listen(_elsewhere);
        await Assert.ThrowsAsync<IOException>(() =>
            DataPlane.ConnectAsync("localhost", port, DataPlane.NewToken(), _own, CancellationToken.None));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Garbage_is_refused(bool tls)
    {
        int port = Listen(tls ? _own : null);
        using Socket socket = await DialAsync(port);
        await socket.SendAsync("GET /"u8.ToArray());
        socket.Shutdown(SocketShutdown.Send);
        await AssertRefusedOnceAsync();
    }

    [Fact]
    public async Task Peers_that_say_nothing_hold_few_places_and_not_for_long()
    {
        int port = Listen(null);
        var silent = new List<Socket>();
        for (int i = 0; i < 40; i++) silent.Add(await DialAsync(port));
        await WaitAsync(() => _refused.Count == 24);
        await WaitAsync(() => _refused.Count == 40);                 // the 16 that were heard, when their time was up
        string token = DataPlane.NewToken();
        await using Stream stream = await DataPlane.ConnectAsync("localhost", port, token, null, CancellationToken.None);
        await WaitAsync(() => _proven.Contains(token));
        foreach (Socket socket in silent) socket.Dispose();
    }

    [Fact]
    public async Task Callers_that_cannot_be_heard_end_no_listener()
    {
        int port = FreePorts.One();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
        socket.Listen();
        _listening.Add(DataPlane.ListenAsync(socket, null, (token, stream) =>
        {
            _proven.Enqueue(token);
            stream.Dispose();
        }, _refused.Enqueue, _stop.Token));
        socket.Shutdown(SocketShutdown.Both);                        // nobody can be accepted, as where too many files are open
        await WaitAsync(() => _refused.Count >= 2);
        Assert.All(_refused, reason => Assert.Contains("could not be heard", reason, StringComparison.Ordinal));
        socket.Listen();
        string token = DataPlane.NewToken();
        await using Stream stream = await DataPlane.ConnectAsync("localhost", port, token, null, CancellationToken.None);
        await WaitAsync(() => _proven.Contains(token));
    }

    [Fact]
    public void Keys_are_readable_by_their_owner_alone()
    {
        if (OperatingSystem.IsWindows()) return;
        foreach (string key in Directory.EnumerateFiles(_folder.Path, "*.key", SearchOption.AllDirectories))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
    }

    [Fact]
    public void Folder_that_holds_no_certificates_is_named()
    {
        var refusal = Assert.Throws<UsageException>(() => NodeCertificates.Load(_folder.Path));
        Assert.Contains("node.key", refusal.Message, StringComparison.Ordinal);
    }
}
