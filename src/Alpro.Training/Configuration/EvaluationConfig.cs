using Alpro.Data.Clips;

namespace Alpro.Training.Configuration;

/// <summary>What text-video pairs are ranked by.</summary>
public enum RetrievalScore
{
    /// <summary>The probability of a match, from the fusion encoder: as the paper scores.</summary>
    Matching,

    /// <summary>The similarity of the contrastive features: one product for all pairs, and no fusion pass.</summary>
    Contrastive,
}

/// <summary>How the model is scored (<c>evaluation</c>).</summary>
public sealed record EvaluationConfig
{
    /// <summary>Clips encoded at once.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Text-video pairs (or questions) of one fusion pass.</summary>
    public int PairBatchSize { get; init; } = 64;

    /// <summary>Retrieval: what pairs are ranked by.</summary>
    public RetrievalScore Score { get; init; } = RetrievalScore.Matching;

    /// <summary>Retrieval: candidates kept by the contrastive score for matching; null matches every pair.</summary>
    public int? Rerank { get; init; }

    /// <summary>Clips of a validation during pretraining, at most; null takes all.</summary>
    public int? MaxClips { get; init; }

    /// <param name="task">What the model learns to do.</param>
    /// <param name="clip">How a row becomes a clip where the model is scored.</param>
    /// <param name="problems">Told what is wrong.</param>
    internal void Check(LearningTask task, ClipSettings clip, ConfigProblems problems)
    {
        clip.CheckBatch(BatchSize, "evaluation.batchSize", problems);
        problems.Require(BatchSize >= 1, "evaluation.batchSize", BatchSize, "at least 1");
        problems.Require(PairBatchSize >= 1, "evaluation.pairBatchSize", PairBatchSize, "at least 1");
        problems.Require(Rerank is null or >= 1, "evaluation.rerank", Rerank, "at least 1, or null to match every pair");
        bool matches = Score == RetrievalScore.Matching && task.Matches();
        problems.Require(Rerank is null || matches, "evaluation.rerank", Rerank,
            "null: it chooses what is matched, and nothing is where evaluation.score is contrastive "
            + "or the task prompter or question-answering");
        problems.Require(MaxClips is null or >= 1, "evaluation.maxClips", MaxClips, "at least 1, or null for all");
    }
}
