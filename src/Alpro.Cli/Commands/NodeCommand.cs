using System.CommandLine;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Web;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro node</c>: one process of a cluster, in one of its roles.</summary>
internal static class NodeCommand
{
    public static Command Create()
    {
        var role = new Option<NodeRole>("--role") { Description = "What the node does.", Required = true };
        var file = ConfigCommand.FileOption();
        var settings = ConfigCommand.SetOption();
        var folder = new Option<string?>("--out") { Description =
            "The run's folder, which coordinators, trainers and evaluators share: checkpoints, records, report." };
        var resume = new Option<bool>("--resume") { Description =
            "Coordinator: continue from the folder's last checkpoint, if there is one; or take part in a run that goes on." };
        var hocon = new Option<string?>("--hocon") { Description = "Running settings in HOCON, in place of hocon/cluster.conf." };
        var name = new Option<string?>("--cluster") { Description =
            "The cluster's name, in place of alpro.cluster.name; a node hears those of its own cluster alone." };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !RunningSettings.IsName(text))
                result.AddError($"--cluster {text}: expected letters, digits, - and _.");
        });
        var host = new Option<string?>("--host") { Description =
            "Name or address under which the other nodes reach this one, in place of alpro.cluster.host." };
        var bind = new Option<string?>("--bind")
        {
            Description = "Address of this machine on which all ports listen, in place of alpro.cluster.bind; by default all addresses, "
            + "with certificates.",
        };
        var port = PortOption("--port", "Port of the control plane, in place of the role's in alpro.cluster.ports.");
        var dataPort = PortOption("--data-port",
            "Coordinator, trainer: port to which clips are brought, in place of alpro.cluster.ports.data.");
        var ringPort = PortOption("--ring-port", "Trainer: port for its neighbour, in place of alpro.cluster.ports.ring.");
        var gpu = new Option<int?>("--gpu") { Description =
            "Coordinator, trainer, evaluator: its GPU among those that the process sees, from 0. Without: the first." };
        var trainers = CommandLine.Between(new Option<int>("--trainers") { Description =
            "Coordinator: train on trainer nodes, on so many at least; 0 trains in the coordinator itself." }, 0);
        var seeds = new Option<string[]>("--seed")
        {
            Description = "A node to join, as host:port, in place of alpro.cluster.seeds; the coordinator first, then others that stay.",
            AllowMultipleArgumentsPerToken = true,
        };
        seeds.Validators.Add(result =>
        {
            foreach (string seed in result.Tokens.Select(token => token.Value).Where(seed => !RunningSettings.IsSeed(seed)))
                result.AddError($"--seed {seed}: expected a node as host:port, such as trainer-host:4053.");
        });
        var certificates = new Option<string?>("--certificates") { Description =
            "Folder of the node's certificates, in place of alpro.cluster.certificates." };
        var decoders = RunOptions.Decoders();
        var pages = new PageOptions();
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.",
            "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, hocon, name, host, bind, port, dataPort, ringPort, seeds, certificates, decoders,
            trainers, gpu,
        };
        pages.AddTo(command);
        command.SetAction(async (arguments, stop) =>
        {
            try
            {
                return await RunAsync(arguments, stop);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                return NodeEnd.GivenUp(CommandLine.Log).Code;        // its actors have ended
            }
        });
        return command;

        async Task<int> RunAsync(ParseResult arguments, CancellationToken stop)
        {
            if (arguments.GetValue(gpu) is { } index && !VisibleGpu.TryChoose(index))            // before anything else asks for one
                throw new UsageException($"--gpu {index}: the process sees no such GPU that libtorch can use; expected the number of one, "
                    + "from 0; 'alpro doctor' lists them");
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            NodeRole own = arguments.GetValue(role);
            bool trains = own == NodeRole.Trainer || (own == NodeRole.Coordinator && arguments.GetValue(trainers) == 0);
            await using RunPage page = await pages.OpenAsync(arguments, trains, own is NodeRole.Coordinator or NodeRole.Trainer,
                () => ClusterNode.From(own, RunningSettings.Load(arguments.GetValue(hocon) ?? RunningSettings.ConfFile("cluster.conf")),
                arguments.GetValue(certificates)).Certificates);
            var start = new NodeStart(arguments.GetValue(hocon), RunOptions.With(arguments.GetValue(decoders)), Join,
                CommandLine.Events.Factory);
            if (own == NodeRole.Decoder) return (await DecoderNode.RunAsync(start, config, stop)).Code;
            string output = arguments.GetValue(folder)
                ??
                throw new UsageException("--out is missing: expected the run's folder, which coordinators, trainers and evaluators share");
            var run = new TrainingRun(config, new(Path.GetFullPath(output)),
                Resume: own == NodeRole.Coordinator && arguments.GetValue(resume));
            if (own == NodeRole.Evaluator) return (await EvaluatorNode.RunAsync(start, run.Folder, WatchAsync, stop)).Code;
            NodeEnd end = await RunProgress.ShowAsync("train", watched => own == NodeRole.Trainer
                ? TrainerNode.RunAsync(start, page.Status.Watch(watched(run)), stop)
                : CoordinatorNode.RunAsync(start, page.Status.Watch(watched(run)), arguments.GetValue(trainers), stop));
            if (end.Result is { } result) RunSummary.Show(arguments, run, result);
            return end.Code;

            async Task WatchAsync(RunHost node, CancellationToken ended)
            {
                IReadOnlyList<EvaluationResult> results = await EvaluationProgress.WatchAsync(
                    node, run.Folder, arguments.GetValue(file), arguments.GetValue(settings)!, test: false, data: null, ended);
                foreach (EvaluationResult result in results)
                    Console.Out.WriteLine($"{Path.GetFileName(result.Folder)}: {result.Scores.Line}");
            }

            ClusterNode Join(Config settings)
            {
                ClusterNode node = ClusterNode.From(own, settings, arguments.GetValue(certificates));
                return node with
                {
                    Name = arguments.GetValue(name) ?? node.Name,
                    Host = arguments.GetValue(host) ?? node.Host,
                    Bind = arguments.GetValue(bind) ?? node.Bind,
                    Port = arguments.GetValue(port) ?? node.Port,
                    DataPort = arguments.GetValue(dataPort) ?? node.DataPort,
                    RingPort = arguments.GetValue(ringPort) ?? node.RingPort,
                    Seeds = arguments.GetValue(seeds) is { Length: > 0 } given ? given : node.Seeds,
                };
            }
        }
    }

    private static Option<int?> PortOption(string name, string description) =>
        CommandLine.Between(new Option<int?>(name) { Description = description }, 0, ushort.MaxValue);
}
