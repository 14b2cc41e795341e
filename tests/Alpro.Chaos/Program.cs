using System.CommandLine;
using Alpro.Actors;
using Alpro.Cli;
using Alpro.Training.Configuration;

namespace Alpro.Chaos;

/// <summary>
/// <c>chaos --config F</c>: trains on several processes while these are killed, frozen and cut off from the network one after another,
/// compares with a run that was not disturbed, and prints how long it took to recover. Exit code 0 only where nothing came of it.
/// </summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        var config = new Option<string>("--config") { Description = "The run.", Required = true };
        var settings = new Option<string[]>("--set")
        {
            Description = "A setting in place of the configuration's, as key.path=value.",
            DefaultValueFactory = _ => [],
        };
        var folder = new Option<string>("--out")
        {
            Description = "Where runs and logs go; an undisturbed run of the same configuration that lies there is used again.",
            DefaultValueFactory = _ => "out/chaos",
        };
        var coordinators = new Option<int>("--coordinators")
        {
            Description = "Coordinators; one where it trains itself.",
            DefaultValueFactory = _ => 2,
        };
        var decoders = new Option<int>("--decoders") { Description = "Decode nodes.", DefaultValueFactory = _ => 2 };
        var trainers = new Option<int>("--trainers")
        {
            Description =
            "Trainers, whose losses are then the same within --tolerance; 0 trains in the coordinator, and the bits are the same.",
            DefaultValueFactory = _ => 2,
        };
        var evaluators = new Option<int>("--evaluators") { Description = "Evaluators of checkpoints." };
        var every = new Option<int>("--every") { Description = "Steps from one strike to the next.", DefaultValueFactory = _ => 10 };
        var minutes = new Option<double?>("--minutes") { Description =
            "Nobody is struck after so many minutes; without, until the run is at its end." };
        var seed = new Option<ulong>("--seed")
        {
            Description = "Seed of who is struck, how, and in which order.",
            DefaultValueFactory = _ => 1UL,
        };
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "How far losses and weights may be from the undisturbed run's. Rounding grows with the learning rate.",
            DefaultValueFactory = _ => ChaosSettings.DefaultTolerance,
        };
        var command = new RootCommand("Train while nodes fail.") { config, settings, folder, coordinators, decoders, trainers, evaluators,
            every, minutes, seed, tolerance };
        command.SetAction(async (arguments, stop) =>
        {
            (int coordinate, int decode, int train,
                int evaluate) = (arguments.GetValue(trainers) > 0 ? arguments.GetValue(coordinators) : 1, arguments.GetValue(decoders),
                arguments.GetValue(trainers), arguments.GetValue(evaluators));
            RunConfig run = ConfigLoader.Load(arguments.GetValue(config)!, arguments.GetValue(settings)!);
            bool validates = run is { Data.Validation.Count: > 0, Training.ValidateEvery: > 0 };
            ChaosResult result = await ChaosRun.RunAsync(new()
            {
                Config = Path.GetFullPath(arguments.GetValue(config)!),
                Overrides = arguments.GetValue(settings)!,
                Folder = Path.GetFullPath(arguments.GetValue(folder)!),
                Coordinators = coordinate,
                Decoders = decode,
                Trainers = train,
                Evaluators = evaluate,
                Strikes = ChaosSettings.All(coordinate, decode, train, evaluate, validates),
                Every = arguments.GetValue(every),
                Length = arguments.GetValue(minutes) is { } length ? TimeSpan.FromMinutes(length) : TimeSpan.MaxValue,
                Seed = arguments.GetValue(seed),
                Tolerance = arguments.GetValue(tolerance),
                Say = Console.Error.WriteLine,
            }, stop);
            foreach (string line in result.Lines()) Console.Out.WriteLine(line);
            return result.Problems.Count == 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return CommandLine.RunAsync(command, args).GetAwaiter().GetResult();
    }
}
