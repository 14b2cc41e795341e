using Alpro.Actors.Hosting;

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

    /// <summary>The end of a node that the others go on without; says so on standard error.</summary>
    public static NodeEnd GivenUp()
    {
        Console.Error.WriteLine("this node has ended itself: it was frozen, or cut off from more than half of the others, and these go on "
            + "without it; start it again, a coordinator with --resume");
        return new(ExitCode.Failure);
    }

    /// <summary>The end of a node that came when the run was over; says so on standard error.</summary>
    internal static NodeEnd Late(TrainingRun run, long steps)
    {
        Console.Error.WriteLine($"the run in {run.Folder} is complete: {steps} steps");
        return Success;
    }
}
