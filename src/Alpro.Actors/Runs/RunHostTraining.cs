using Akka.Actor;
using Alpro.Actors.Hosting;
using Alpro.Data.Corpora;

namespace Alpro.Actors.Runs;

/// <summary>Training in the actor system of a process.</summary>
public static class RunHostTraining
{
    /// <summary>Trains, and returns when the run has ended.</summary>
    /// <param name="host">The actor system of this process.</param>
    /// <param name="run">What to train, and where to.</param>
    /// <param name="stop">Asks the run to stop in order, with a checkpoint.</param>
    public static async Task<RunResult> TrainAsync(this RunHost host, TrainingRun run, CancellationToken stop)
    {
        if (host.Settings.Decoders == 0 && host.Node is null)
            throw new UsageException("alpro.decoders = 0: a process that runs alone needs one at least to make its clips");
        host.KeepEvents(run.Folder);
        if (host.Roster is { } roster) run.Joined(roster.With);
        var finished = new TaskCompletionSource<RunResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Opened here and not in the actor: what is wrong with them is the caller's to hear, before anything has started.
        var data = new RunData(run.Config, host.Settings);
        RunData[] validation = [.. run.Config.Data.Validation.Select(corpus => new RunData(run.Config, host.Settings, [corpus]))];
        foreach (VideoTextCorpus corpus in data.Corpora.Concat(validation.Select(one => one.Corpora[0]))) run.Opened(corpus);
        foreach (RunData one in validation) one.RequireValidation();
        data.NameUnlabelledAnswers(host.Log);
        data.Plan();
        IActorRef supervisor = host.System.ActorOf(Props.Create(() => new RunSupervisor(host, run, data, validation, finished)), "run");
        using CancellationTokenRegistration asked = stop.Register(() => supervisor.Tell(RunSupervisor.Stop.Instance));
        return await finished.Task;
    }
}
