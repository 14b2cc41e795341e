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
        file.Required = false;                                       // an encoder may have that of a run
        var settings = ConfigCommand.SetOption();
        var folder = new Option<string?>("--out") { Description =
            "The run's folder, which coordinators, trainers and evaluators share: checkpoints, records, report." };
        var resume = new Option<bool>("--resume") { Description =
            "Coordinator: continue from the folder's last checkpoint, if there is one; or take part in a run that goes on." };
        var cluster = new NodeOptions();
        var gpu = new Option<int?>("--gpu") { Description =
            "Coordinator, trainer, evaluator, encoder: its GPU among those that the process sees, from 0. Without: the first." };
        var trainers = CommandLine.Between(new Option<int>("--trainers") { Description =
            "Coordinator: train on trainer nodes, on so many at least; 0 trains in the coordinator itself." }, 0);
        var decoders = RunOptions.Decoders();
        var pages = new PageOptions();
        var model = new ModelOptions();
        var videos = new Option<string?>("--videos") { Description = "Encoder: this machine's copy of what is indexed: a folder of videos, "
            + "a configuration, whose test corpus it is, or a packed corpus's index." };
        var corpus = new Option<string?>("--corpus") { Description = "Encoder: the corpus of this name of the configuration --videos." };
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.",
            "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, decoders, trainers, gpu, videos, corpus,
        };
        foreach (Option option in new Option[] { model.Run, model.Checkpoint, model.Data })
        {
            option.Description = $"Encoder: {char.ToLowerInvariant(option.Description![0])}{option.Description[1..]}";
            command.Options.Add(option);
        }
        cluster.AddTo(command, trains: true);
        pages.AddTo(command);
        role.Validators.Add(result =>
        {
            foreach ((NodeRole other, string own) in new[] { (NodeRole.Packer, "pack"), (NodeRole.Indexer, "index") })
                if (result.Tokens is [{ Value: var text }] && text.Equals(other.ToString(), StringComparison.OrdinalIgnoreCase))
                    result.AddError($"--role {ClusterNode.RoleName(other)}: expected coordinator, trainer, decoder, evaluator or encoder; "
                        + $"'alpro {own} --seed' is the {ClusterNode.RoleName(other)}.");
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
            NodeRole own = arguments.GetValue(role);
            var start = new NodeStart(arguments.GetValue(cluster.Hocon), RunOptions.With(arguments.GetValue(decoders)),
                settings => cluster.Join(arguments, own, settings), CommandLine.Events.Factory);
            if (own == NodeRole.Encoder)
            {
                EvaluationTarget target = EvaluationTarget.Open(arguments.GetValue(model.Run), arguments.GetValue(file),
                    arguments.GetValue(model.Checkpoint), arguments.GetValue(settings)!, CommandLine.Log);
                return (await EncoderNode.RunAsync(start, VideosChoice.Of(target, arguments.GetValue(videos) ?? throw new UsageException(
                    "--videos is missing: expected this machine's copy of the folder that is indexed"), arguments.GetValue(corpus),
                    arguments.GetValue(model.Data)), stop)).Code;
            }
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)
                ?? throw new UsageException("--config is missing: expected the run's configuration"), arguments.GetValue(settings));
            bool trains = own == NodeRole.Trainer || (own == NodeRole.Coordinator && arguments.GetValue(trainers) == 0);
            await using RunPage page = await pages.OpenAsync(arguments, trains, own is NodeRole.Coordinator or NodeRole.Trainer,
                () => cluster.Join(arguments, own,
                    RunningSettings.Load(arguments.GetValue(cluster.Hocon) ?? RunningSettings.ConfFile("cluster.conf"))).Certificates);
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
