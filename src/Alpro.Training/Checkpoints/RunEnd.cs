using Alpro.Model.Checkpoints;

namespace Alpro.Training.Checkpoints;

/// <summary>
/// Whether a run is over, as its last checkpoint says. Finding out reads all of a checkpoint: it is done again only when there is a new
/// one.
/// </summary>
internal sealed class RunEnd(CheckpointStore store)
{
    private string _looked = "";
    private long? _end;

    /// <summary>The last step of the run, if it is done; else null.</summary>
    public long? Find()
    {
        try
        {
            if (store.Steps() is [.., long last] && store.MarkOf(last) is var mark && mark != _looked)
            {
                // The checkpoint before the last validation is not the end yet.
                _end = store.Latest() is { State: var state } && state.Step == state.TotalSteps && state.Settled == state.Step ? state.Step
                    : null;
                _looked = mark;
            }
        }
        catch (CheckpointException)
        {
            // Removed while it was looked at: there is a later one. If all are damaged, whoever trains from them will say so.
        }
        return _end;
    }
}
