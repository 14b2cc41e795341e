using System.Diagnostics;
using System.Text.Json.Serialization;
using Alpro.Data;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Insight;

/// <summary>What the decoders of a node did in some time.</summary>
/// <param name="Clips">Clips that they made, or found unreadable.</param>
/// <param name="Busy">Seconds that they took for these, all decoders together.</param>
/// <param name="Running">Of these, seconds on a processor.</param>
/// <param name="Queued">Of these, seconds in which they waited for a processor.</param>
/// <param name="Sending">Seconds that sending the clips took; 0 where they stay in the process.</param>
public sealed record DecodeLoad(long Clips, double Busy, double Running, double Queued, double Sending)
{
    /// <summary>Nothing.</summary>
    public static DecodeLoad None { get; } = new(0, 0, 0, 0, 0);

    /// <summary>Seconds in which they waited for something else than a processor: for files, that is.</summary>
    [JsonIgnore]
    public double Blocked => Math.Max(0, Busy - Running - Queued);

    /// <summary>Two loads together.</summary>
    public static DecodeLoad operator +(DecodeLoad one, DecodeLoad other) => new(one.Clips + other.Clips, one.Busy + other.Busy,
        one.Running + other.Running, one.Queued + other.Queued, one.Sending + other.Sending);

    /// <summary>The load between two readings.</summary>
    public static DecodeLoad operator -(DecodeLoad after, DecodeLoad before) => new(after.Clips - before.Clips, after.Busy - before.Busy,
        after.Running - before.Running, after.Queued - before.Queued, after.Sending - before.Sending);
}

/// <summary>Adds up what the decoders of a node do; for any thread.</summary>
public sealed class DecodeMeter
{
    private readonly Lock _lock = new();
    private long _clips;
    private double _busy, _running, _queued, _sending;

    /// <summary>How many decoders compute at once now; more clips may be in hand, where they come from a store.</summary>
    public int Decoders { get; set; }

    /// <summary>The load so far.</summary>
    public DecodeLoad Load
    {
        get
        {
            lock (_lock) return new(_clips, _busy, _running, _queued, _sending);
        }
    }

    /// <summary>
    /// Makes a clip, or finds it unreadable, and counts what that took the calling thread. While it waits for its turn to compute it does
    /// nothing.
    /// </summary>
    public Clip Clip(IClipSource source, ClipRequest request)
    {
        long began = Stopwatch.GetTimestamp();
        ThreadTimes? before = ThreadTimes.OfThisThread();
        try
        {
            return source.Load(request);
        }
        finally
        {
            double busy = (Stopwatch.GetElapsedTime(began) - source.Waited).TotalSeconds;
            // Where nothing is known of the thread it counts as running.
            ThreadTimes spent = ThreadTimes.OfThisThread() is { } after && before is { } then ? after - then : new(busy, 0);
            Add(new(1, busy, spent.Running, spent.Queued, 0));
        }
    }

    /// <summary>Sends a clip, and counts how long that took.</summary>
    public async Task SendAsync(Func<Task> send)
    {
        long began = Stopwatch.GetTimestamp();
        await send();
        Add(DecodeLoad.None with { Sending = Stopwatch.GetElapsedTime(began).TotalSeconds });
    }

    /// <summary>Adds what was done elsewhere.</summary>
    public void Add(DecodeLoad load)
    {
        lock (_lock)
        {
            _clips += load.Clips;
            _busy += load.Busy;
            _running += load.Running;
            _queued += load.Queued;
            _sending += load.Sending;
        }
    }
}
