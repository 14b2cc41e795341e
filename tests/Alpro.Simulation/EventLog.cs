using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Alpro.Simulation;

/// <summary>
/// What happened in a simulation, a line each. The hash over all lines says whether two runs were the same; the text is kept where it is
/// wanted.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="keep">Whether the text is kept.</param>
internal sealed class EventLog(VirtualTime time, bool keep) : ILogger
{
    private readonly XxHash3 _hash = new();

    /// <summary>The lines so far; none where they are not kept.</summary>
    public List<string> Lines { get; } = [];

    /// <summary>How long recoveries took.</summary>
    public Recoveries Recoveries { get; } = new();

    /// <summary>The hash of all lines.</summary>
    public ulong Hash => _hash.GetCurrentHashAsUInt64();

    /// <summary>Something happened.</summary>
    /// <param name="where">The node; null for the whole.</param>
    /// <param name="what">What it was.</param>
    /// <param name="of">What it was about.</param>
    /// <param name="number">A number that belongs to it.</param>
    public void Add(SimulatedNode? where, string what, string of = "", long number = 0)
    {
        Span<long> numbers = [time.Now.Ticks, where?.Number ?? -1, number];
        _hash.Append(MemoryMarshal.AsBytes(numbers));
        _hash.Append(MemoryMarshal.AsBytes(what.AsSpan()));
        _hash.Append(MemoryMarshal.AsBytes(of.AsSpan()));
        if (keep) Lines.Add($"{time.Now.TotalSeconds,12:0.000000}  {where?.Name ?? "-",-8} {what} {of}{(number == 0 ? "" : $" {number}")}");
    }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        Add(time.Running, eventId.Name ?? "said", formatter(state, exception));
        if (time.Running is { } node && state is IReadOnlyList<KeyValuePair<string, object?>> fields)
            Recoveries.OnSaid(node, eventId.Name ?? "", fields, time.Now);
    }
}
