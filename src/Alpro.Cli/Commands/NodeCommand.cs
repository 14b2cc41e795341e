using System.CommandLine;
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
        var cluster = new NodeOptions();
        var gpu = new Option<int?>("--gpu") { Description =
            "Coordinator, trainer, evaluator: its GPU among those that the process sees, from 0. Without: the first." };
        var trainers = CommandLine.Between(new Option<int>("--trainers") { Description =
            "Coordinator: train on trainer nodes, on so many at least; 0 trains in the coordinator itself." }, 0);
        var decoders = RunOptions.Decoders();
        var pages = new PageOptions();
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.",
            "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, decoders, trainers, gpu,
        };
        cluster.AddTo(command, trains: true);
        pages.AddTo(command);
        role.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text.Equals(nameof(NodeRole.Packer), StringComparison.OrdinalIgnoreCase))
                result.AddError("--role packer: expected coordinator, trainer, decoder or evaluator; 'alpro pack --seed' is the packer.");
        });
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
                () => cluster.Join(arguments, own,
                    RunningSettings.Load(arguments.GetValue(cluster.Hocon) ?? RunningSettings.ConfFile("cluster.conf"))).Certificates);
            var start = new NodeStart(arguments.GetValue(cluster.Hocon), RunOptions.With(arguments.GetValue(decoders)),
                settings => cluster.Join(arguments, own, settings), CommandLine.Events.Factory);
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
        }
    }
}
