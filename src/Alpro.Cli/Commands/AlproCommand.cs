using System.CommandLine;

namespace Alpro.Cli.Commands;

/// <summary>The command line: every command of the program under one root.</summary>
internal static class AlproCommand
{
    /// <summary>The root with all its commands.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand("Alpro.Actors: stream video and text through actors into ALPRO, train it and evaluate it.")
        {
            CertsCommand.Create(),
            CheckpointCommand.Create(),
            CompareCommand.Create(),
            ConfigCommand.Create(),
            CorpusCommand.Create(),
            DecodeWorkerCommand.Create(),
            DoctorCommand.Create(),
            EntitiesCommand.Create(),
            EvaluateCommand.Create(),
            TrainCommand.CreateFinetune(),
            FramesCommand.Create(),
            IndexCommand.Create(),
            NodeCommand.Create(),
            PackCommand.Create(),
            ParityCommand.Create(),
            PredictCommand.Create(),
            PrepareCommand.Create(),
            TrainCommand.CreatePretrain(),
            ReplayCommand.Create(),
            RunsCommand.Create(),
            ScanCommand.Create(),
            SearchCommand.Create(),
            ServeCommand.Create(),
            VerifyResumeCommand.Create(),
        };
        foreach (Option option in CommandLine.CommonOptions) root.Options.Add(option);
        return root;
    }
}
