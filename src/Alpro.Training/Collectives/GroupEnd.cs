namespace Alpro.Training.Collectives;

/// <summary>The end of a group: it comes once, and whoever asks to be told of it later is told at once.</summary>
internal sealed class GroupEnd
{
    private readonly Lock _lock = new();
    private Action<CollectivesException>? _listeners;
    private CollectivesException? _reason;
    private bool _told;

    /// <summary>Why the group is over; null while it is not.</summary>
    public CollectivesException? Reason => Volatile.Read(ref _reason);

    /// <summary>Ends the group for this reason, unless it is over already.</summary>
    /// <returns>Whether this was its end.</returns>
    public bool TrySet(CollectivesException reason) => Interlocked.CompareExchange(ref _reason, reason, null) is null;

    /// <summary>Tells the reason to all who listen and to all who will; one that only leaves tells nobody.</summary>
    public void Tell()
    {
        Action<CollectivesException>? listeners;
        lock (_lock) (_told, listeners) = (true, _listeners);
        listeners?.Invoke(Reason!);
    }

    /// <summary>Throws the reason if the group is over.</summary>
    public void ThrowIfOver()
    {
        if (Reason is { } reason) throw reason;
    }

    /// <summary>One more who is told, now if the others have been.</summary>
    public void Add(Action<CollectivesException> listener)
    {
        lock (_lock)
        {
            if (!_told)
            {
                _listeners += listener;
                return;
            }
        }
        listener(Reason!);
    }

    /// <summary>One less.</summary>
    public void Remove(Action<CollectivesException> listener)
    {
        lock (_lock) _listeners -= listener;
    }
}
