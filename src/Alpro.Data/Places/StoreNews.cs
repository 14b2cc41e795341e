using System.Collections.Concurrent;
using System.Diagnostics;

namespace Alpro.Data.Places;

/// <summary>
/// What a person should hear of the stores of this process, once each: that one does not answer, that it does again, that what it answers
/// cannot be kept. For any thread. Whoever has a log sets what is done with it.
/// </summary>
public static class StoreNews
{
    private static readonly ConcurrentDictionary<string, long> _failing = [];
    private static readonly ConcurrentDictionary<string, byte> _known = [], _away = [], _unwritable = [];

    /// <summary>Told of a store that has not answered for a while: which, the reason, and how long.</summary>
    public static Action<string, string, TimeSpan>? Away { get; set; }

    /// <summary>Told of a store that was away and answers again: which, and how long it did not.</summary>
    public static Action<string, TimeSpan>? Back { get; set; }

    /// <summary>Told of a folder in which the cache cannot be written, and why.</summary>
    public static Action<string, string>? Unwritable { get; set; }

    /// <summary>Whether a store has ever answered this process, be it that it refused.</summary>
    internal static bool Knows(string store) => _known.ContainsKey(store);

    /// <summary>A request failed in a way that may pass.</summary>
    /// <param name="store">The store.</param>
    /// <param name="reason">Why.</param>
    /// <param name="notice">How long no request may succeed before that is said.</param>
    internal static void Failed(string store, string reason, TimeSpan notice)
    {
        TimeSpan lasted = Stopwatch.GetElapsedTime(_failing.GetOrAdd(store, static _ => Stopwatch.GetTimestamp()));
        if (lasted >= notice) SayAway(store, reason, lasted);
    }

    /// <summary>A request was answered.</summary>
    internal static void Answered(string store)
    {
        _known.TryAdd(store, 0);
        if (!_failing.IsEmpty && _failing.TryRemove(store, out long since)) SayBack(store, Stopwatch.GetElapsedTime(since));
    }

    /// <summary>Says that a store is away, unless that was said.</summary>
    internal static void SayAway(string store, string reason, TimeSpan lasted)
    {
        if (_away.TryAdd(store, 0)) Away?.Invoke(store, reason, lasted);
    }

    /// <summary>Says that a store is back, if it was said to be away.</summary>
    internal static void SayBack(string store, TimeSpan lasted)
    {
        if (_away.TryRemove(store, out _)) Back?.Invoke(store, lasted);
    }

    /// <summary>Says that a cache cannot be written, unless that was said.</summary>
    internal static void SayUnwritable(string folder, string reason)
    {
        if (_unwritable.TryAdd(folder, 0)) Unwritable?.Invoke(folder, reason);
    }
}
