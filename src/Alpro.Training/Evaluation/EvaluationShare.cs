using Alpro.Data.Batches;
using Alpro.Data.Media;

namespace Alpro.Training.Evaluation;

/// <summary>The stages of an evaluation, one after the other.</summary>
public enum EvaluationStage
{
    /// <summary>Videos are decoded and encoded; a task whose texts meet their own video alone is done then.</summary>
    Videos,

    /// <summary>Texts meet all videos.</summary>
    Texts,
}

/// <summary>A stretch of an evaluation's videos or texts: what one evaluator does at a time, and writes down as one file.</summary>
/// <param name="Stage">Videos or texts.</param>
/// <param name="First">The first of the stretch; texts are numbered by length.</param>
/// <param name="Count">How many.</param>
public sealed record EvaluationShare(EvaluationStage Stage, int First, int Count);

/// <summary>A video that could not be read.</summary>
/// <param name="Video">Its name.</param>
/// <param name="Reason">Why.</param>
public sealed record MissingVideo(string Video, RejectReason Reason)
{
    /// <summary>Both, for a person.</summary>
    public override string ToString() => $"{Video}: {Reason}";
}

/// <summary>Reads videos, in order, as batches; those that cannot be read are told to <paramref name="missing"/>.</summary>
/// <param name="videos">Numbers of the videos.</param>
/// <param name="missing">Told of every video that cannot be read.</param>
public delegate IEnumerable<ClipBatch> ReadVideos(IReadOnlyList<int> videos, Action<MissingVideo> missing);
