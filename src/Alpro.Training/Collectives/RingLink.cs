using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Alpro.Training.Collectives;

/// <summary>
/// One end of a connection between two neighbours of a ring. It begins with 24 bytes each way: a constant, the generation, the sender's
/// rank and the number of ranks. Whoever says anything else is refused. Nothing that comes in decides how much memory is taken.
/// </summary>
internal sealed record RingLink(int Peer, Socket Socket, Stream Stream) : IDisposable
{
    private const int HelloLength = 24, MaxStrangers = 16;
    private const ulong Magic = 0x31474E49524F5250;                  // "PRORING1"

    private static readonly TimeSpan _helloTime = TimeSpan.FromSeconds(3), _retryAfter = TimeSpan.FromMilliseconds(50);

    private readonly record struct Hello(long Generation, int Rank, int World)
    {
        public static Hello Of(RingGroup group) => new(group.Generation, group.Rank, group.World);

        public override string ToString() => $"rank {Rank} of {World} in generation {Generation}";
    }

    /// <summary>Connects to the next rank, again and again until it listens for this generation.</summary>
    /// <exception cref="CollectivesException">It is in a later generation, it refuses, or the time is over.</exception>
    public static async Task<RingLink> Connect(RingGroup group, RingSettings settings, CancellationToken cancel)
    {
        Exception? last = null;
        try
        {
            while (true)
            {
                try
                {
                    return await Call(group, settings, cancel);
                }
                catch (Exception exception) when (exception is SocketException or IOException and not CollectivesException)
                {
                    last = exception;
                }
                await Task.Delay(_retryAfter, cancel);
            }
        }
        catch (OperationCanceledException)
        {
            throw new CollectivesException(group.Next, group.Generation,
                $"at {group.Endpoints[group.Next]} was not reached{(last is null ? "" : $": {last.Message}")}", last);
        }
    }

    /// <summary>Waits for the previous rank to connect; all others that do are refused.</summary>
    /// <exception cref="CollectivesException">It did not come in time.</exception>
    public static async Task<RingLink> Accept(RingGroup group, Socket listener, RingSettings settings, CancellationToken cancel)
    {
        using var found = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var greetings = new List<Task<RingLink?>>();
        Task<Socket> coming = listener.AcceptAsync(found.Token).AsTask();
        try
        {
            while (true)
            {
                Task done = await Task.WhenAny(greetings.Count < MaxStrangers ? [coming, .. greetings] : greetings);
                if (done == coming)
                {
                    greetings.Add(Greet(await coming, group, settings, found.Token));
                    coming = listener.AcceptAsync(found.Token).AsTask();
                    continue;
                }
                var greeting = (Task<RingLink?>)done;
                greetings.Remove(greeting);
                if (await greeting is { } link) return link;
            }
        }
        catch (OperationCanceledException)
        {
            throw new CollectivesException(group.Previous, group.Generation, "did not connect in time");
        }
        finally
        {
            await found.CancelAsync();
            foreach (Task<RingLink?> greeting in greetings) (await greeting)?.Dispose();
            await ((Task)coming).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (coming.IsCompletedSuccessfully) (await coming).Dispose();             // it tries again
        }
    }

    /// <summary>Ends the connection both ways, for whoever is blocked in it; it stays to be disposed.</summary>
    public void Shutdown()
    {
        try
        {
            Socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return;                                                  // it was over already
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stream.Dispose();
        Socket.Dispose();
    }

    private static async Task<RingLink> Call(RingGroup group, RingSettings settings, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(group.Endpoints[group.Next], cancel);
            Stream stream = await settings.Open(socket, false, cancel);
            await Write(stream, Hello.Of(group), cancel);
            Hello? answer = await Read(stream, cancel);
            if (answer == new Hello(group.Generation, group.Next, group.World)) return new(group.Next, socket, stream);
            if (answer is { } late && late.Generation < group.Generation) throw new IOException($"it is still {late}");
            throw new CollectivesException(group.Next, group.Generation,
                $"was expected at {group.Endpoints[group.Next]}, and that is {answer?.ToString() ?? "something else"}");
        }
        catch (AuthenticationException exception)
        {
            socket.Dispose();
            throw new CollectivesException(group.Next, group.Generation,
                $"at {group.Endpoints[group.Next]} was not trusted, or does not trust this rank: {exception.Message}", exception);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<RingLink?> Greet(Socket socket, RingGroup group, RingSettings settings, CancellationToken cancel)
    {
        EndPoint? from = null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(_helloTime);
        string reason;
        try
        {
            from = socket.RemoteEndPoint;
            socket.NoDelay = true;
            Stream stream = await settings.Open(socket, true, limit.Token);
            Hello? hello = await Read(stream, limit.Token);
            if (hello is not null) await Write(stream, Hello.Of(group), limit.Token);
            if (hello == new Hello(group.Generation, group.Previous, group.World)) return new(group.Previous, socket, stream);
            reason = hello is null ? "it does not speak as a rank does"
                : $"it is {hello}, and {new Hello(group.Generation, group.Previous, group.World)} is expected";
        }
        catch (Exception exception) when (exception is SocketException or IOException or AuthenticationException
            or OperationCanceledException)
        {
            reason = exception is OperationCanceledException ? "it said nothing" : exception.Message;
        }
        socket.Dispose();
        if (!cancel.IsCancellationRequested)
            settings.Refused($"generation {group.Generation}, rank {group.Rank}: a connection from {from} was refused: {reason}");
        return null;
    }

    private static async Task Write(Stream stream, Hello hello, CancellationToken cancel)
    {
        byte[] bytes = new byte[HelloLength];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8), hello.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), hello.Rank);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(20), hello.World);
        await stream.WriteAsync(bytes, cancel);
        await stream.FlushAsync(cancel);
    }

    /// <summary>What the other end says it is; null where that makes no sense.</summary>
    private static async Task<Hello?> Read(Stream stream, CancellationToken cancel)
    {
        byte[] bytes = new byte[HelloLength];
        await stream.ReadExactlyAsync(bytes, cancel);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Magic ? null
            : new(BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(16)),
            BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(20)));
    }
}
