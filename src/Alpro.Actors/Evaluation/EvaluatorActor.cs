using Akka.Actor;
using Alpro.Training.Evaluation;
using Alpro.Training.Tasks;

namespace Alpro.Actors.Evaluation;

/// <summary>
/// A thin shell round <see cref="Evaluator"/>: asks for a share, does it, asks for the next. It has a thread and a model of its own;
/// whatever fails stops it, and its share goes to another. Its parent is the <see cref="EvaluationSupervisor"/>.
/// </summary>
internal sealed class EvaluatorActor : ReceiveActor
{
    /// <summary>Sent by the <see cref="EvaluationSupervisor"/> in answer to a request for work.</summary>
    public sealed record Evaluate(EvaluationShare Share);

    private readonly Func<Evaluator> _open;
    private Evaluator? _evaluator;

    /// <summary>An evaluator that loads its model when it starts.</summary>
    /// <param name="open">Makes the evaluator, on this actor's thread.</param>
    /// <param name="lost">Told of an error after which the GPU cannot be used, before anything is unwound.</param>
    /// <param name="stop">Gives up the share in hand.</param>
    public EvaluatorActor(Func<Evaluator> open, Action<Exception> lost, CancellationToken stop)
    {
        _open = open;
        IActorRef supervisor = Context.Parent;
        Receive<Evaluate>(message =>
        {
            try
            {
                _evaluator!.Do(message.Share, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;                                              // the supervisor is stopping everything
            }
            catch (Exception error) when (LostDevice.Passes(error, lost))
            {
                throw;
            }
            supervisor.Tell(EvaluationSupervisor.RequestShare.Instance);
        });
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _evaluator = _open();
        Context.Parent.Tell(EvaluationSupervisor.RequestShare.Instance);
    }

    /// <inheritdoc/>
    protected override void PostStop() => _evaluator?.Dispose();
}
