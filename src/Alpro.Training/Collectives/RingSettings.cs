using System.Net;
using System.Net.Sockets;

namespace Alpro.Training.Collectives;

/// <summary>A group that shall form a ring: each rank connects to the next, the last to the first.</summary>
/// <param name="Generation">Its number.</param>
/// <param name="Rank">This rank.</param>
/// <param name="Endpoints">Where each rank listens, in rank order; two at least.</param>
internal sealed record RingGroup(long Generation, int Rank, IReadOnlyList<EndPoint> Endpoints)
{
    /// <summary>Number of ranks.</summary>
    public int World => Endpoints.Count;

    /// <summary>The rank this one sends to.</summary>
    public int Next => (Rank + 1) % World;

    /// <summary>The rank this one receives from.</summary>
    public int Previous => (Rank + World - 1) % World;
}

/// <summary>How the ranks of a ring find and watch one another.</summary>
internal sealed record RingSettings
{
    /// <summary>Makes a stream of a new connection, true where it came in: TLS goes in here. It owns the socket.</summary>
    public Func<Socket, bool, CancellationToken,
        Task<Stream>> Open { get; init; } = static (socket, _, _) => Task.FromResult<Stream>(new NetworkStream(socket, ownsSocket: true));

    /// <summary>How long a group may take to form.</summary>
    public TimeSpan Forming { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a neighbour may be silent before it is taken for lost. Ranks give a sign of life four times as often, whatever they
    /// compute.
    /// </summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told of every connection that was refused, and why.</summary>
    public Action<string> Refused { get; init; } = static _ => { };
}
