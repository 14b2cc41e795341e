using Akka.Actor;
using Alpro.Actors.Hosting;
using Alpro.Data;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Evaluation;

/// <summary>
/// The top of an evaluation. It hands out the shares that have no results yet to whichever <see cref="EvaluatorActor"/> asks. It remembers
/// who holds what, and gives a share to another when its holder dies. Texts wait until all videos are done. The results are on disk, so
/// nothing that is finished is ever done again, by whatever process.
/// </summary>
internal sealed class EvaluationSupervisor : ReceiveActor
{
    /// <summary>What there is to do, and who watches.</summary>
    /// <param name="Plan">What is evaluated.</param>
    /// <param name="Weights">The file of the model's weights.</param>
    /// <param name="Read">Reads the videos.</param>
    /// <param name="Results">Where finished shares are written; those that are there are not done again.</param>
    public sealed record Work(EvaluationPlan Plan, string Weights, ReadVideos Read, PartialResults Results)
    {
        /// <summary>Told the part that is done, 0 to 1.</summary>
        public Action<double> Progressed { get; init; } = static _ => { };

        /// <summary>
        /// Told of an error after which this process cannot use its GPU. The thread that met the error calls it, before anything is
        /// unwound. Null where the process is to end.
        /// </summary>
        public Action<Exception>? DeviceLost { get; init; }

        /// <summary>An evaluator with a model of its own. Whoever calls this is the only one who may use it.</summary>
        /// <param name="place">Its number among those that are at work; each takes the next GPU.</param>
        /// <exception cref="CheckpointException">The weights do not fit.</exception>
        public Evaluator Open(int place) => Plan.Task.Open(RunModel.Load(Plan.Config, Weights, RunModel.DeviceOf(place)), Plan, Results,
            Read);
    }

    /// <summary>Sent by an <see cref="EvaluatorActor"/> that is free: the share it held before is on disk.</summary>
    public sealed record RequestShare
    {
        public static readonly RequestShare Instance = new();
    }

    /// <summary>Sent by the <see cref="RunHost"/> when the evaluation is asked to stop: what is finished stays.</summary>
    public sealed record Stop
    {
        public static readonly Stop Instance = new();
    }

    private readonly ILogger _log = Context.System.Log();
    private readonly Work _work;
    private readonly ActorSettings _settings;
    private readonly TaskCompletionSource _finished;
    private readonly CancellationToken _stop;
    private readonly Dictionary<IActorRef, EvaluationShare> _held = [];
    private readonly List<IActorRef> _idle = [];
    private readonly Dictionary<IActorRef, int> _places = [];
    private readonly int _shares;
    private Queue<EvaluationShare> _open;
    private EvaluationStage _stage = EvaluationStage.Videos;
    private Exception? _lastDeath;
    private int _done, _deaths, _started;

    /// <summary>
    /// An evaluation whose end is told to <paramref name="finished"/>; evaluators give up the share in hand on <paramref name="stop"/>.
    /// </summary>
    public EvaluationSupervisor(Work work, ActorSettings settings, TaskCompletionSource finished, CancellationToken stop)
    {
        (_work, _settings, _finished, _stop) = (work, settings, finished, stop);
        _shares = Enum.GetValues<EvaluationStage>().Sum(stage => work.Plan.Shares(stage).Count);
        _open = Open(_stage);
        Receive<RequestShare>(_ => OnRequestShare());
        Receive<Stop>(_ => Context.Stop(Self));
        Receive<Terminated>(message => OnEvaluatorDied(message.ActorRef));
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        for (int evaluator = 0; evaluator < _settings.Evaluators; evaluator++) StartEvaluator(evaluator);
    }

    /// <inheritdoc/>
    protected override void PostStop() => _finished.TrySetCanceled();

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(maxNrOfRetries: -1, withinTimeMilliseconds: -1,
        error =>
    {
        Exception met = error is ActorInitializationException { InnerException: { } cause } ? cause : error;
        _lastDeath = DeviceMemoryException.OfEvaluation(met, _work.Plan.Config);
        return Directive.Stop;
    }, loggingEnabled: false);                                       // it is told: as a warning, or as the reason of the end

    /// <summary>The shares of a stage that are still to do.</summary>
    private Queue<EvaluationShare> Open(EvaluationStage stage)
    {
        IReadOnlyList<EvaluationShare> shares = _work.Plan.Shares(stage);
        var open = new Queue<EvaluationShare>(shares.Where(share => !_work.Results.Has(share)));
        _done += shares.Count - open.Count;
        return open;
    }

    private void OnRequestShare()
    {
        if (_held.Remove(Sender)) _work.Progressed((double)++_done / _shares);
        _idle.Add(Sender);
        Grant();
    }

    private void Grant()
    {
        if (_open.Count == 0 && _held.Count == 0 && _stage == EvaluationStage.Videos)
        {
            _stage = EvaluationStage.Texts;
            _open = Open(_stage);
        }
        while (_idle.Count > 0 && _open.TryDequeue(out EvaluationShare? share))
        {
            IActorRef evaluator = _idle[0];
            _idle.RemoveAt(0);
            _held[evaluator] = share;
            evaluator.Tell(new EvaluatorActor.Evaluate(share));
        }
        if (_open.Count > 0 || _held.Count > 0) return;
        _finished.TrySetResult();
        Context.Stop(Self);
    }

    private void OnEvaluatorDied(IActorRef evaluator)
    {
        bool stays = _lastDeath is CheckpointException or DataException or NotANumberException
            || DeviceFaults.Of(_lastDeath) != DeviceFault.None;
        if (stays || ++_deaths > _settings.MaxRestarts)
        {
            _finished.TrySetException(_lastDeath ?? new InvalidOperationException(
                $"{_deaths} evaluators were stopped, more than alpro.max-restarts allows."));
            Context.Stop(Self);
            return;
        }
        _log.EvaluatorDied(_deaths, _settings.MaxRestarts, _lastDeath?.Message ?? "it was stopped");
        _idle.Remove(evaluator);
        if (_held.Remove(evaluator, out EvaluationShare? share)) _open.Enqueue(share);
        _places.Remove(evaluator, out int place);
        StartEvaluator(place);
    }

    private void StartEvaluator(int place)
    {
        (Func<Evaluator> open, CancellationToken stop, Action<Exception>? lost) = (() => _work.Open(place), _stop, _work.DeviceLost);
        Props props = Props.Create(() => new EvaluatorActor(open, lost, stop)).WithDispatcher("evaluator-dispatcher");
        _places[Context.Watch(Context.ActorOf(props, $"evaluator-{_started++}"))] = place;
    }
}
