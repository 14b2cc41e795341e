
namespace Alpro.Training.Configuration;

/// <summary>What a model learns to do: the <c>task</c> of a configuration. What a downstream task is stands in <c>Tasks/</c>.</summary>
public enum LearningTask
{
    /// <summary>
    /// ALPRO's pretraining (paper section 3.2): the losses that <c>losses</c> gives a weight to, of VTC, VTM, MLM, and PEM under a frozen
    /// prompter.
    /// </summary>
    Pretrain,

    /// <summary>The prompter: the contrastive loss alone (paper section 3.3).</summary>
    Prompter,

    /// <summary>Text-video retrieval.</summary>
    Retrieval,

    /// <summary>Video question answering.</summary>
    QuestionAnswering,
}

/// <summary>What the settings of a task must fit: the rules of a configuration and the count of memory read it.</summary>
public static class LearningTasks
{
    /// <summary>
    /// Whether texts are matched with videos: the loss of matching draws negatives from the batch, and <c>evaluation.rerank</c> chooses
    /// pairs.
    /// </summary>
    public static bool Matches(this LearningTask task) => task is not (LearningTask.Prompter or LearningTask.QuestionAnswering);

    /// <summary>Whether the model chooses among the answers of <c>data.answers</c>.</summary>
    public static bool ChoosesAnswers(this LearningTask task) => task == LearningTask.QuestionAnswering;
}
