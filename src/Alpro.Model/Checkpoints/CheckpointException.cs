namespace Alpro.Model.Checkpoints;

/// <summary>A checkpoint cannot be read, or does not fit the model: the message names the file, the reason and what to do.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>A fault that is not tied to one file, such as weights that do not fit a model.</summary>
    public CheckpointException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>A fault of one file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="reason">What is wrong with it, and what to do.</param>
    /// <param name="inner">The cause, where there is one.</param>
    public CheckpointException(string path, string reason, Exception? inner = null)
        : base($"{path}: {reason}", inner)
    {
    }
}
