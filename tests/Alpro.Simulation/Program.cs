using System.CommandLine;
using System.Globalization;

namespace Alpro.Simulation;

/// <summary>The program behind <c>scripts/simulate</c>.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        var nodes = new Option<int>("--nodes") { Description = "Decode nodes.", DefaultValueFactory = _ => 4 };
        var trainers = new Option<int>("--trainers")
        {
            Description = "Trainers; 0: the coordinator trains by itself.",
            DefaultValueFactory = _ => 2,
        };
        var coordinators = new Option<int>("--coordinators") { Description = "Coordinators.", DefaultValueFactory = _ => 1 };
        var decoders = new Option<int>("--decoders") { Description = "Decoders of a decode node.", DefaultValueFactory = _ => 4 };
        var steps = new Option<long>("--steps") { Description = "Steps of the run.", DefaultValueFactory = _ => 150 };
        var stepTime = new Option<double>("--step-time")
        {
            Description = "Seconds that a rank computes for a step.",
            DefaultValueFactory = _ => new SimulationSettings().StepTime.TotalSeconds,
        };
        var shareTime = new Option<double>("--share-time")
        {
            Description = "Seconds that the furthest rank takes to give its weights to the others.",
            DefaultValueFactory = _ => new SimulationSettings().ShareTime.TotalSeconds,
        };
        var faults = new Option<string>("--faults")
        {
            Description = "What strikes, such as kill,freeze,count=6,death=0.01; all, or none.",
            DefaultValueFactory = _ => "all",
        };
        var seeds = new Option<string>("--seeds")
        {
            Description = "A seed, or the first and the last: 1..100.",
            DefaultValueFactory = _ => "1",
        };
        var log = new Option<FileInfo?>("--log") { Description = "A file, to which the events of the last seed are written." };
        var command = new RootCommand("Runs a cluster in virtual time: the real actors, over a network in memory, with faults from a seed.")
        {
            nodes, trainers, coordinators, decoders, steps, stepTime, shareTime, faults, seeds, log,
        };
        command.SetAction(parsed =>
        {
            try
            {
                var settings = new SimulationSettings
                {
                    Nodes = parsed.GetValue(nodes),
                    Trainers = parsed.GetValue(trainers),
                    Coordinators = parsed.GetValue(coordinators),
                    Decoders = parsed.GetValue(decoders),
                    Steps = parsed.GetValue(steps),
                    StepTime = TimeSpan.FromSeconds(parsed.GetValue(stepTime)),
                    ShareTime = TimeSpan.FromSeconds(parsed.GetValue(shareTime)),
                    Faults = FaultSettings.Parse(parsed.GetValue(faults)!),
                };
                string[] range = parsed.GetValue(seeds)!.Split("..");
                string again = $"scripts/simulate --nodes {settings.Nodes} --trainers {settings.Trainers} "
                    + $"--coordinators {settings.Coordinators} --decoders {settings.Decoders} --steps {settings.Steps} "
                    + string.Create(CultureInfo.InvariantCulture, $"--step-time {settings.StepTime.TotalSeconds} ")
                    + string.Create(CultureInfo.InvariantCulture, $"--share-time {settings.ShareTime.TotalSeconds} ")
                    + $"--faults {parsed.GetValue(faults)} --seeds ";
                return Simulations.Run(settings, ulong.Parse(range[0], CultureInfo.InvariantCulture),
                    ulong.Parse(range[^1], CultureInfo.InvariantCulture), seed => again + seed, parsed.GetValue(log));
            }
            catch (FormatException exception)
            {
                Console.Error.WriteLine(exception.Message);
                return 2;
            }
        });
        return command.Parse(args).Invoke();
    }
}
