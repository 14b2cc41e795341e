using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Tests.Support.Events;

/// <summary>An event that was logged.</summary>
internal sealed record CollectedEvent(string Name, LogLevel Level, string Message, IReadOnlyDictionary<string, object?> Fields);

/// <summary>Keeps the program's own events, of all levels, in their order.</summary>
/// <param name="told">Told of each, on the thread that logs it.</param>
internal sealed class EventCollector(Action<CollectedEvent>? told = null) : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<CollectedEvent> _events = new();

    public Action<CollectedEvent>? Told { get; set; } = told;

    public IReadOnlyList<CollectedEvent> Events => [.. _events];

    public IReadOnlyList<CollectedEvent> Of(string name) => [.. _events.Where(logged => logged.Name == name)];

    public ILogger CreateLogger(string categoryName) => categoryName == "Alpro" ? this : NullLogger.Instance;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var logged = new CollectedEvent(eventId.Name ?? "", logLevel, formatter(state, exception),
            (state as IEnumerable<KeyValuePair<string, object?>> ?? []).ToDictionary(field => field.Key, field => field.Value));
        _events.Enqueue(logged);
        Told?.Invoke(logged);
    }

    public void Dispose()
    {
    }
}
