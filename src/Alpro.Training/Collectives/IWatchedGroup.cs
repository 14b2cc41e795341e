namespace Alpro.Training.Collectives;

/// <summary>A group that notices when one of its ranks is gone, also for collectives that do not.</summary>
internal interface IWatchedGroup : ICollectives
{
    /// <summary>Told, on any thread, when the group is over before this rank has left it; at once where it is over already.</summary>
    event Action<CollectivesException> Failed;

    /// <summary>
    /// Counts an operation that takes place elsewhere. Ranks leave after an operation: it fails, where it is under way too, if one of them
    /// has left before it.
    /// </summary>
    void CountOperation();
}
