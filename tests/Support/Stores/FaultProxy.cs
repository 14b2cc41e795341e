using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Alpro.Tests.Support.Stores;

/// <summary>What goes wrong with a request on its way to a store.</summary>
public enum StoreFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The connection is reset before the answer.</summary>
    Reset,

    /// <summary>The connection ends in the middle of the body.</summary>
    Truncated,

    /// <summary>The body stops coming in its middle.</summary>
    Slow,

    /// <summary>The store answers 503.</summary>
    Unavailable,

    /// <summary>The store answers 429.</summary>
    TooMany,

    /// <summary>The store sends other bytes than were asked for.</summary>
    WrongRange,

    /// <summary>The store sends the whole file.</summary>
    NoRange,
}

/// <summary>
/// Stands between a client and a store, delays its answers and spoils some. It counts the requests and the bytes of their bodies.
/// </summary>
public sealed partial class FaultProxy : IDisposable
{
    private readonly int _upstream;
    private readonly ConcurrentDictionary<TcpClient, byte> _connections = [];
    private TcpListener _listener = null!;
    private int _requests;
    private long _bytes;

    public FaultProxy(int upstream)
    {
        (_upstream, Port) = (upstream, FreePorts.One());
        Start();
    }

    public int Port { get; }

    /// <summary>Time before an answer begins.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>The fault of a request, by its number, from 1.</summary>
    public Func<int, StoreFault> Faults { get; set; } = static _ => StoreFault.None;

    public int Requests => Volatile.Read(ref _requests);

    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Sets the counts to nothing.</summary>
    public void Reset() => (_requests, _bytes) = (0, 0);

    /// <summary>The store comes back.</summary>
    public void Start()
    {
        _listener = new TcpListener(IPAddress.Loopback, Port);
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start(512);
        _ = AcceptAsync(_listener);
    }

    /// <summary>The store dies, with all connections.</summary>
    public void Stop()
    {
        _listener.Dispose();
        foreach (TcpClient client in _connections.Keys) client.Close();
        _connections.Clear();
    }

    public void Dispose() => Stop();

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                TcpClient client = await listener.AcceptTcpClientAsync();
                _connections[client] = 0;
                _ = RelayAsync(client);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        try
        {
            using (client)
            using (var store = new TcpClient { NoDelay = true })
            {
                client.NoDelay = true;
                await store.ConnectAsync(IPAddress.Loopback, _upstream);
                Stream here = client.GetStream(), there = store.GetStream();
                Stream fromHere = new BufferedStream(here, 4096), fromThere = new BufferedStream(there, 64 << 10);
                while (await HeadAsync(fromHere) is { } asked)
                {
                    StoreFault fault = Faults(Interlocked.Increment(ref _requests));
                    await Task.Delay(Latency);
                    if (fault == StoreFault.Reset)
                    {
                        client.LingerState = new LingerOption(true, 0);
                        return;
                    }
                    if (fault is StoreFault.Unavailable or StoreFault.TooMany)
                    {
                        int status = fault == StoreFault.Unavailable ? 503 : 429;
                        await here.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Later\r\nContent-Length: 0\r\n\r\n"));
                        continue;
                    }
                    if (fault == StoreFault.NoRange) asked = RangePattern().Replace(asked, "");
                    await there.WriteAsync(Encoding.Latin1.GetBytes(asked));
                    if (await HeadAsync(fromThere) is not { } answer) return;
                    if (fault == StoreFault.WrongRange) answer = ContentRangePattern().Replace(answer, "Content-Range: bytes 1-");
                    await here.WriteAsync(Encoding.Latin1.GetBytes(answer));
                    if (answer.Contains("chunked", StringComparison.OrdinalIgnoreCase)) await CopyChunkedAsync(fromThere, here);
                    else await CopyAsync(fromThere, here, LengthOf(answer), fault);
                    if (fault is StoreFault.Truncated or StoreFault.Slow) return;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
        {
            // One of the ends has gone.
        }
        finally
        {
            _connections.TryRemove(client, out _);
        }
    }

    private async Task CopyAsync(Stream from, Stream to, long length, StoreFault fault)
    {
        byte[] buffer = new byte[64 << 10];
        long sent = fault is StoreFault.Truncated or StoreFault.Slow ? length / 2 : length;
        for (int count; sent > 0; sent -= count)
        {
            count = await from.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, sent)));
            if (count == 0) return;
            await to.WriteAsync(buffer.AsMemory(0, count));
            Interlocked.Add(ref _bytes, count);
        }
        if (fault == StoreFault.Slow)                                  // until the client has lost its patience
            await to.ReadAtLeastAsync(buffer, 1, throwOnEndOfStream: false);
    }

    private async Task CopyChunkedAsync(Stream from, Stream to)
    {
        byte[] buffer = new byte[64 << 10];
        for (string end = ""; !end.EndsWith("0\r\n\r\n", StringComparison.Ordinal);)
        {
            int count = await from.ReadAsync(buffer);
            if (count == 0) return;
            await to.WriteAsync(buffer.AsMemory(0, count));
            Interlocked.Add(ref _bytes, count);
            end = (end + Encoding.Latin1.GetString(buffer, 0, count))[^Math.Min(5, end.Length + count)..];
        }
    }

    /// <summary>The head of a message, with the empty line at its end; null where the connection has ended.</summary>
    private static async Task<string?> HeadAsync(Stream stream)
    {
        var head = new List<byte>();
        for (byte[] next = new byte[1]; await stream.ReadAsync(next) > 0;)
        {
            head.Add(next[0]);
            if (head is [.., (byte)'\r', (byte)'\n', (byte)'\r', (byte)'\n']) return Encoding.Latin1.GetString([.. head]);
        }
        return null;
    }

    private static long LengthOf(string head) =>
        LengthPattern().Match(head) is { Success: true } match ? long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"content-length: *(\d+)", RegexOptions.IgnoreCase)]
    private static partial Regex LengthPattern();

    [GeneratedRegex(@"range: *[^\r]*\r\n", RegexOptions.IgnoreCase)]
    private static partial Regex RangePattern();

    [GeneratedRegex(@"content-range: *bytes \d+-", RegexOptions.IgnoreCase)]
    private static partial Regex ContentRangePattern();
}
