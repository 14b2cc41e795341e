namespace Alpro.Actors.Pipeline;

/// <summary>Counts deaths within the last stretch of time, whatever is done to the clock on the wall.</summary>
/// <param name="max">Deaths within it that are borne.</param>
/// <param name="within">How long it is.</param>
/// <param name="time">The clock.</param>
internal sealed class DeathRate(int max, TimeSpan within, TimeProvider time)
{
    private readonly Queue<long> _deaths = new();

    /// <summary>Counts another death; whether there are now more than are borne.</summary>
    public bool Exceeded(out int deaths)
    {
        _deaths.Enqueue(time.GetTimestamp());
        while (time.GetElapsedTime(_deaths.Peek()) > within) _deaths.Dequeue();
        deaths = _deaths.Count;
        return deaths > max;
    }
}
