using Alpro.Actors.Hosting;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>How a node's part in a run ended.</summary>
/// <param name="Code">The exit code of the process.</param>
/// <param name="Result">What the run came to, on the node that wrote it down; null on the others.</param>
public sealed record NodeEnd(int Code, RunResult? Result = null)
{
    /// <summary>The end of a node that was told to leave, or whose run is over.</summary>
    internal static NodeEnd Success { get; } = new(ExitCode.Success);

    /// <summary>The end of a node that has trained.</summary>
    internal static NodeEnd Of(RunResult result) => new(result.Completed ? ExitCode.Success : ExitCode.Interrupted, result);

    /// <summary>The end of a node that the others go on without; says so.</summary>
    public static NodeEnd GivenUp(ILogger log)
    {
        log.NodeGivenUp();
        return new(ExitCode.Failure);
    }

    /// <summary>The end of a node that came when the run was over; says so.</summary>
    internal static NodeEnd Late(TrainingRun run, long steps, ILogger log)
    {
        log.RunIsComplete(run.Folder.Path, steps);
        return Success;
    }
}
