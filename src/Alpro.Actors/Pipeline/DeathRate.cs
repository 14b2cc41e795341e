namespace Alpro.Actors.Pipeline;

/// <summary>Counts the decoders that died within the last minute.</summary>
/// <param name="max">Deaths within a minute that are borne.</param>
/// <param name="time">The clock.</param>
internal sealed class DeathRate(int max, TimeProvider time)
{
    private readonly Queue<DateTimeOffset> _deaths = new();

    /// <summary>Counts another death; whether there are now more than are borne.</summary>
    public bool Exceeded(out int deaths)
    {
        DateTimeOffset now = time.GetUtcNow();
        _deaths.Enqueue(now);
        while (_deaths.Peek() < now - TimeSpan.FromMinutes(1)) _deaths.Dequeue();
        deaths = _deaths.Count;
        return deaths > max;
    }
}
