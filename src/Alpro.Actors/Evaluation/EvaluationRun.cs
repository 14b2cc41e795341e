using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;

namespace Alpro.Actors.Evaluation;

/// <summary>An evaluation: of what weights, on what, and who watches.</summary>
/// <param name="Config">The model and how it is scored.</param>
/// <param name="Weights">The file of its weights.</param>
/// <param name="Set">Videos and texts.</param>
/// <param name="Read">Reads the videos.</param>
/// <param name="Results">Where finished shares are written; those that are there are not done again.</param>
public sealed record EvaluationRun(RunConfig Config, string Weights, EvaluationSet Set, ReadVideos Read, PartialResults Results)
{
    /// <summary>Told the part that is done, 0 to 1.</summary>
    public Action<double> Progressed { get; init; } = static _ => { };

    /// <summary>Told of what a person should know: evaluators that died.</summary>
    public Action<string> Warn { get; init; } = static _ => { };

    /// <summary>Told of an error after which this process cannot use its GPU, on the thread that met it and before anything is unwound: the process ends.</summary>
    public Action<Exception> DeviceLost { get; init; } = LostDevice.EndProcess;

    /// <summary>An evaluator with a model of its own. Whoever calls this is the only one who may use it.</summary>
    /// <param name="place">Its number among those that are at work; each takes the next GPU.</param>
    /// <exception cref="CheckpointException">The weights do not fit.</exception>
    public Evaluator Open(int place) => new(RunModel.Load(Config, Weights, RunModel.DeviceOf(place)), Config, Set, Results, Read);
}
