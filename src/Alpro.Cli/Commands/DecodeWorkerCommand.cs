using System.CommandLine;
using Alpro.Actors;
using Alpro.Data.Media;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro decode-worker</c>: the child process of <see cref="IsolatedFrameReader"/>; not for people.</summary>
internal static class DecodeWorkerCommand
{
    public static Command Create()
    {
        var command = new Command(DecodeWorker.CommandName,
            "Decode frames for another process, asked and answered through the standard streams.") { Hidden = true };
        command.SetAction(_ =>
        {
            using Stream input = Console.OpenStandardInput(), output = Console.OpenStandardOutput();
            DecodeWorker.Run(input, output);
            return ExitCode.Success;
        });
        return command;
    }
}
