using Alpro.Actors.Hosting;
using Alpro.Training.Records;

namespace Alpro.Actors.Runs;

/// <summary>A run whose only trainer is in this process.</summary>
public static class SoloRun
{
    /// <summary>Trains, and writes what the run leaves.</summary>
    /// <param name="run">The run, whose folder this process holds alone.</param>
    /// <param name="start">Starts the actor system.</param>
    /// <param name="stop">Asks the run to stop in order, with a checkpoint.</param>
    /// <exception cref="UsageException">The folder cannot be written, or holds a run that is not resumed.</exception>
    /// <exception cref="RunFolderHeldException">Others hold the folder.</exception>
    public static async Task<RunResult> RunAsync(TrainingRun run, Func<Task<RunHost>> start, CancellationToken stop)
    {
        await using RunHost host = await start();
        using RunLock held = await run.HoldAsync(cluster: null, stop);
        run.RequireNewOrResumed();
        RunResult result = await host.TrainAsync(run, stop);
        RunCompletion.Write(run, result);
        return result;
    }
}
