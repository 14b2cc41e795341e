using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Alpro.Training.Tests.Collectives;

/// <summary>A rank that is two bare sockets: it can do wrong, and die as a killed process does, without a word.</summary>
internal sealed class RawRank : IDisposable
{
    private RawRank(Socket next, Socket previous) => (Next, Previous) = (next, previous);

    /// <summary>The connection to the next rank.</summary>
    public Socket Next { get; }

    /// <summary>The connection from the previous rank.</summary>
    public Socket Previous { get; }

    /// <summary>Says the right things to be let into a group.</summary>
    public static async Task<RawRank> Join(TestRing ring, int rank)
    {
        int world = ring.Endpoints.Length;
        byte[] hello = new byte[24], answer = new byte[24];
        Encoding.ASCII.GetBytes("PRORING1", hello);
        BinaryPrimitives.WriteInt64LittleEndian(hello.AsSpan(8), 1);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(16), rank);
        BinaryPrimitives.WriteInt32LittleEndian(hello.AsSpan(20), world);
        var next = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await next.ConnectAsync(ring.Endpoints[(rank + 1) % world]);
        await next.SendAsync(hello);
        Socket previous = await ring.Listeners[rank].AcceptAsync();
        await previous.SendAsync(hello);
        foreach (Socket socket in new[] { next, previous })
        {
            using var stream = new NetworkStream(socket, ownsSocket: false);
            await stream.ReadExactlyAsync(answer);
        }
        return new(next, previous);
    }

    /// <summary>The header of a frame of a sum of 32-bit floats.</summary>
    public static byte[] Header(long generation, long operation, long position, int length)
    {
        byte[] header = new byte[32];
        BinaryPrimitives.WriteInt64LittleEndian(header, generation);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(8), operation);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), position);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), length);
        return header;
    }

    /// <summary>Dies.</summary>
    public void Dispose()
    {
        foreach (Socket socket in new[] { Next, Previous }) socket.Close(0);
    }
}
