using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Alpro.Actors;

/// <summary>
/// Counts that are looked up when somebody asks, from whoever has them at that moment; those with the same attributes are added up.
/// </summary>
/// <param name="attributes">What tells the counts apart.</param>
internal sealed class LiveCounts(params string[] attributes)
{
    private sealed record Source(Func<bool> HasEnded, Func<IEnumerable<(string[] Values, long Count)>> Look);

    /// <summary>Sources that are added before those that have ended are looked for, at least.</summary>
    private const int Few = 64;

    private readonly ConcurrentDictionary<(object Owner, string Name), Source> _sources = new();
    private int _untilCleared = Few;

    /// <summary>Adds a source of counts, which is asked until it has ended.</summary>
    /// <param name="owner">Whose counts they are: under the same name it has one source, the last.</param>
    /// <param name="name">What is counted.</param>
    /// <param name="hasEnded">Whether the owner has ended.</param>
    /// <param name="look">Looks the counts up; called on any thread.</param>
    public void Add(object owner, string name, Func<bool> hasEnded, Func<IEnumerable<(string[] Values, long Count)>> look)
    {
        _sources[(owner, name)] = new(hasEnded, look);
        if (Interlocked.Decrement(ref _untilCleared) > 0) return;
        foreach (var ended in _sources.Where(source => source.Value.HasEnded())) _sources.TryRemove(ended);
        // As many as are left: adding one costs the same however many there are.
        Volatile.Write(ref _untilCleared, Math.Max(Few, _sources.Count));
    }

    /// <summary>The counts of now.</summary>
    public IEnumerable<Measurement<long>> Read() =>
        from source in _sources.Values
        where !source.HasEnded()
        from count in source.Look()
        group count by string.Join(' ', count.Values) into same
        select new Measurement<long>(same.Sum(count => count.Count),
            attributes.Zip(same.First().Values, (name, value) => new KeyValuePair<string, object?>(name, value)));
}
