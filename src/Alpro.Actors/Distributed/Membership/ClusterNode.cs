using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>What a node of a cluster does.</summary>
public enum NodeRole
{
    /// <summary>
    /// Carries the run: trains by itself, or forms the groups of those that do; then others may stand by to take its place.
    /// </summary>
    Coordinator,

    /// <summary>Trains with others of its kind, which may come and go.</summary>
    Trainer,

    /// <summary>Makes clips. Any number, which may come and go.</summary>
    Decoder,

    /// <summary>Scores the run's checkpoints as they appear.</summary>
    Evaluator,

    /// <summary>Packs corpora, with the help of decode nodes.</summary>
    Packer,

    /// <summary>Indexes videos, with the help of encoders.</summary>
    Indexer,

    /// <summary>Finds, decodes and encodes windows of videos for those that index. Any number, which may come and go.</summary>
    Encoder,
}

/// <summary>A process as a member of a cluster: its role, where it listens, and whom it joins (<c>alpro.cluster</c> in HOCON).</summary>
public sealed record ClusterNode
{
    /// <summary>What it does.</summary>
    public required NodeRole Role { get; init; }

    /// <summary>The cluster's name: a node of another that calls here is not heard, whatever ports they share.</summary>
    public required string Name { get; init; }

    /// <summary>Name or address under which the other nodes reach it; it need not be one of this machine's own.</summary>
    public required string Host { get; init; }

    /// <summary>
    /// Name or address of this machine on which all its ports listen; null for all addresses with certificates, and for the host's without.
    /// </summary>
    public string? Bind { get; init; }

    /// <summary>Port of the control plane; 0 for any that is free.</summary>
    public required int Port { get; init; }

    /// <summary>
    /// Port to which decode nodes bring clips; 0 for any that is free. Coordinators, trainers, packers and indexers alone listen there.
    /// </summary>
    public required int DataPort { get; init; }

    /// <summary>Port to which a trainer's neighbour in a ring connects; 0 for any that is free. Trainers alone listen there.</summary>
    public required int RingPort { get; init; }

    /// <summary>Nodes to join, as <c>host:port</c>; the first forms the cluster where none of the others is in one.</summary>
    public required IReadOnlyList<string> Seeds { get; init; }

    /// <summary>The certificates by which nodes know each other; null on the machine's own network alone.</summary>
    public NodeCertificates? Certificates { get; init; }

    /// <summary>Reads where a node listens, <c>host:port</c>.</summary>
    /// <returns>Whether that is one.</returns>
    public static bool TryParseEndpoint(string text, [NotNullWhen(true)] out DnsEndPoint? endpoint)
    {
        int colon = text.LastIndexOf(':');
        bool sound = ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0;
        endpoint = colon > 0 && sound ? new(text[..colon], port) : null;
        return endpoint is not null;
    }

    /// <summary>A role as it is written in HOCON and on the command line.</summary>
    public static string RoleName(NodeRole role) => role.ToString().ToLowerInvariant();

    /// <summary>The role of a member of a cluster.</summary>
    internal static string RoleOf(Member member) =>
        RoleName(Enum.GetValues<NodeRole>().FirstOrDefault(role => member.HasRole(RoleName(role))));

    /// <summary>The nodes of a cluster as one of them sees it: the role of each, and its status or <c>unreachable</c>.</summary>
    internal static IEnumerable<(string Role, string State)> Members(ActorSystem system)
    {
        ClusterEvent.CurrentClusterState state = Akka.Cluster.Cluster.Get(system).State;
        return state.Members.Select(member => (
            RoleOf(member),
            state.Unreachable.Contains(member) ? "unreachable" : member.Status.ToString().ToLowerInvariant()));
    }

    /// <summary>Reads the <c>alpro.cluster</c> section.</summary>
    /// <param name="role">The node's role, which decides its port.</param>
    /// <param name="hocon">The running settings.</param>
    /// <param name="certificates">Folder of the node's certificates, in place of the section's.</param>
    /// <exception cref="UsageException">The section is absent, or the node would be open to others without certificates.</exception>
    public static ClusterNode From(NodeRole role, Config hocon, string? certificates = null)
    {
        if (!hocon.HasPath("alpro.cluster"))
            throw new UsageException("the running settings have no alpro.cluster; a node needs those of hocon/cluster.conf");
        Config cluster = hocon.GetConfig("alpro.cluster");
        string folder = certificates ?? cluster.GetString("certificates");
        return new()
        {
            Role = role,
            Name = cluster.GetString("name"),
            Host = cluster.GetString("host"),
            Bind = cluster.GetString("bind") is { Length: > 0 } bind ? bind : null,
            Port = cluster.GetInt($"ports.{RoleName(role)}"),
            DataPort = cluster.GetInt("ports.data"),
            RingPort = cluster.GetInt("ports.ring"),
            Seeds = [.. cluster.GetStringList("seeds")],
            Certificates = folder.Length == 0 ? null : NodeCertificates.Load(folder),
        };
    }

    /// <summary>
    /// The address on which the node's ports listen. What the host's name is here says little: Debian and Ubuntu give a machine's own name
    /// 127.0.1.1.
    /// </summary>
    /// <exception cref="UsageException">The name is none.</exception>
    public IPAddress ListenAddress()
    {
        if (Bind is null && Certificates is not null) return Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
        (string setting, string name, string expected) = Bind is null
            ? ("host", Host, "a name or address under which the other nodes reach this machine")
            : ("bind", Bind, "a name or address of this machine, or 0.0.0.0 for all of them");
        if (Bind is not null && IPAddress.TryParse(Bind, out IPAddress? address)) return address;
        try
        {
            return Dns.GetHostAddresses(name)[0];
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            throw new UsageException($"alpro.cluster.{setting} = {name}: {exception.Message}; expected {expected}");
        }
    }

    /// <summary>A socket that listens on one of the node's ports.</summary>
    /// <param name="port">The port; 0 for any that is free.</param>
    /// <param name="option">The option that chooses it.</param>
    /// <exception cref="UsageException">The port cannot be had.</exception>
    public Socket Listen(int port, string option)
    {
        IPAddress address = ListenAddress();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);        // of both families, where the system has both
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
            return socket;
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new UsageException(
                $"{new IPEndPoint(address, port)}: {exception.Message}; expected a port that is free, and an address of this machine; "
                + $"choose another with {option} or alpro.cluster.ports, and the address with --bind or alpro.cluster.bind");
        }
    }

    /// <summary>The settings of Akka that follow, to be laid over those of <c>hocon/cluster.conf</c>.</summary>
    /// <exception cref="UsageException">Others could reach the node, and it has no certificates.</exception>
    public Config ToHocon()
    {
        if (Certificates is null && !IPAddress.IsLoopback(ListenAddress()))
            throw new UsageException($"alpro.cluster.{(Bind is null ? "host" : "bind")} = {Bind ?? Host}: without certificates a node "
                + "listens on the machine's own network alone (127.0.0.1); make some with 'alpro certs' and name their folder in "
                + "alpro.cluster.certificates or with --certificates");
        if (IPAddress.TryParse(Host, out IPAddress? host) && (host.Equals(IPAddress.Any) || host.Equals(IPAddress.IPv6Any)))
            throw new UsageException(
                $"alpro.cluster.host = {Host}: nobody is reached there; expected a name or address under which the other nodes "
                + "reach this machine, and in alpro.cluster.bind where it listens");
        string roles = Role is NodeRole.Coordinator or NodeRole.Trainer ? $"\"{RoleName(Role)}\", \"{VoterMajority.Voter}\""
            : $"\"{RoleName(Role)}\"";
        return ConfigurationFactory.ParseString($$"""
            akka.cluster.roles = [{{roles}}]
            akka.cluster.seed-nodes = [{{string.Join(", ", Seeds.Select(seed => $"\"akka.tcp://{Name}@{seed}\""))}}]
            """);
    }
}
