using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro certs</c>: the authority of a cluster and the certificates of its nodes.</summary>
internal static class CertsCommand
{
    public static Command Create()
    {
        var nodes = new Argument<string[]>("nodes")
        {
            Description = "Host names or addresses of the nodes, as the other nodes reach them.",
            Arity = ArgumentArity.OneOrMore,
        };
        var folder = new Option<string>("--out")
        {
            Description = "Folder of the authority, made with the first call; the nodes' folders lie in it.",
            Required = true,
        };
        var command = new Command("certs", CommandLine.Describe("Make the certificates by which the nodes of a cluster know each other.",
            "alpro certs host-a host-b --out certs")) { nodes, folder };
        nodes.Validators.Add(result =>
        {
            foreach (string node in result.Tokens.Select(token => token.Value)
                .Where(node => Uri.CheckHostName(node) == UriHostNameType.Unknown))
                result.AddError($"{node}: is neither a host name nor an address; expected one, such as host-a or 10.0.0.5.");
        });
        command.SetAction(arguments =>
        {
            string authority = Path.GetFullPath(arguments.GetValue(folder)!);
            IReadOnlyList<string> made = OutputPath.Write(authority, "--out",
                () => NodeCertificates.Create(authority, arguments.GetValue(nodes)!, TimeProvider.System));
            CommandLine.Result(arguments, new { Authority = authority, Nodes = made }, console =>
            {
                foreach (string node in made)
                    console.WriteLine($"{node}: copy it to that machine, and name it there with alpro node --certificates");
                console.WriteLine($"{authority}: ca.key signs further nodes; keep it where no node is");
            });
            return ExitCode.Success;
        });
        return command;
    }
}
