using Akka.Actor;
using Alpro.Actors.Hosting;

namespace Alpro.Actors.Evaluation;

/// <summary>Evaluation in the actor system of a process.</summary>
internal static class RunHostEvaluation
{
    private static int _evaluations;

    /// <summary>Evaluates, and returns when all shares have their results.</summary>
    /// <param name="host">The actor system of this process.</param>
    /// <param name="work">What to evaluate.</param>
    /// <param name="stop">Asks it to stop; what is finished stays, and the same evaluation goes on from there.</param>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    internal static async Task EvaluateAsync(this RunHost host, EvaluationSupervisor.Work work, CancellationToken stop)
    {
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ActorSettings settings = host.Settings;
        IActorRef supervisor = host.System.ActorOf(Props.Create(() => new EvaluationSupervisor(work, settings, finished, stop)),
            $"evaluation-{Interlocked.Increment(ref _evaluations)}");
        using CancellationTokenRegistration asked = stop.Register(() => supervisor.Tell(EvaluationSupervisor.Stop.Instance));
        await finished.Task;
    }
}
