using System.CommandLine;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Cli.Commands;

/// <summary>The options by which a process becomes a node of a cluster.</summary>
internal sealed class NodeOptions
{
    private readonly Option<string?> _name = new("--cluster") { Description =
        "The cluster's name, in place of alpro.cluster.name; a node hears those of its own cluster alone." };
    private readonly Option<string?> _host = new("--host") { Description =
        "Name or address under which the other nodes reach this one, in place of alpro.cluster.host." };
    private readonly Option<string?> _bind = new("--bind")
    {
        Description = "Address of this machine on which all ports listen, in place of alpro.cluster.bind; by default all addresses, "
        + "with certificates.",
    };
    private readonly Option<int?> _port = PortOption("--port", "Port of the control plane, in place of the role's in alpro.cluster.ports."),
        _dataPort = PortOption("--data-port",
        "Coordinator, trainer, packer, indexer: port to which clips are brought, in place of alpro.cluster.ports.data."),
        _ringPort = PortOption("--ring-port", "Trainer: port for its neighbour, in place of alpro.cluster.ports.ring.");
    private readonly Option<string?> _certificates = new("--certificates") { Description =
        "Folder of the node's certificates, in place of alpro.cluster.certificates." };

    public NodeOptions()
    {
        _name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !RunningSettings.IsName(text))
                result.AddError($"--cluster {text}: expected letters, digits, - and _.");
        });
        Seeds.Validators.Add(result =>
        {
            foreach (string seed in result.Tokens.Select(token => token.Value).Where(seed => !RunningSettings.IsSeed(seed)))
                result.AddError($"--seed {seed}: expected a node as host:port, such as trainer-host:4053.");
        });
    }

    /// <summary>Nodes to join.</summary>
    public Option<string[]> Seeds { get; } = new("--seed")
    {
        Description = "A node to join, as host:port, in place of alpro.cluster.seeds; the coordinator first, then others that stay.",
        AllowMultipleArgumentsPerToken = true,
    };

    /// <summary>The running settings.</summary>
    public Option<string?> Hocon { get; } = new("--hocon")
    {
        Description = "Running settings in HOCON, in place of hocon/cluster.conf.",
    };

    private Option[] All => [Hocon, _name, _host, _bind, _port, _dataPort, _ringPort, Seeds, _certificates];

    public void AddTo(Command command, bool trains)
    {
        foreach (Option option in All)
            if (trains || option != _ringPort) command.Add(option);
    }

    /// <summary>Whether any of the options is given.</summary>
    public bool AreGiven(ParseResult arguments) => All.Any(option => IsGiven(arguments, option));

    /// <summary>Whether any is given but the running settings, which a process has that runs alone, too.</summary>
    public bool NameACluster(ParseResult arguments) => All.Any(option => option != Hocon && IsGiven(arguments, option));

    private static bool IsGiven(ParseResult arguments, Option option) => arguments.GetResult(option) is { Implicit: false };

    /// <summary>The node, as the running settings and the command line say.</summary>
    public ClusterNode Join(ParseResult arguments, NodeRole role, Config settings)
    {
        ClusterNode node = ClusterNode.From(role, settings, arguments.GetValue(_certificates));
        return node with
        {
            Name = arguments.GetValue(_name) ?? node.Name,
            Host = arguments.GetValue(_host) ?? node.Host,
            Bind = arguments.GetValue(_bind) ?? node.Bind,
            Port = arguments.GetValue(_port) ?? node.Port,
            DataPort = arguments.GetValue(_dataPort) ?? node.DataPort,
            RingPort = arguments.GetResult(_ringPort) is null ? node.RingPort : arguments.GetValue(_ringPort) ?? node.RingPort,
            Seeds = arguments.GetValue(Seeds) is { Length: > 0 } given ? given : node.Seeds,
        };
    }

    private static Option<int?> PortOption(string name, string description) =>
        CommandLine.Between(new Option<int?>(name) { Description = description }, 0, ushort.MaxValue);
}
