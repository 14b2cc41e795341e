using System.CommandLine;
using Alpro.Cli;
using Alpro.Cli.Commands;

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
    NodeCommand.Create(),
    ParityCommand.Create(),
    PredictCommand.Create(),
    PrepareCommand.Create(),
    TrainCommand.CreatePretrain(),
    ReplayCommand.Create(),
    ScanCommand.Create(),
    VerifyResumeCommand.Create(),
};
foreach (Option option in CommandLine.CommonOptions) root.Options.Add(option);
return await CommandLine.RunAsync(root, args);
