using System.CommandLine;
using Alpro.Data.Clips;

namespace Alpro.Actors.Commands;

/// <summary><c>alpro decode-worker</c>: the child process of <see cref="IsolatedFrameReader"/>; not for people.</summary>
internal static class DecodeWorkerCommand
{
    public const string Name = "decode-worker";

    public static Command Create()
    {
        var command = new Command(Name, "Decode frames for another process, asked and answered through the standard streams.") { Hidden = true };
        command.SetAction(_ =>
        {
            using Stream input = Console.OpenStandardInput(), output = Console.OpenStandardOutput();
            DecodeWorker.Run(input, output);
            return CommandLine.Success;
        });
        return command;
    }
}
