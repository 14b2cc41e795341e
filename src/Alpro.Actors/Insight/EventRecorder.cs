using System.Text.Json;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Insight;

/// <summary>
/// The log of a process, of which it also keeps in the run's folder what happened: all that is worth a line, whatever the terminal shows.
/// </summary>
/// <param name="log">The log.</param>
/// <param name="time">The clock.</param>
internal sealed class EventRecorder(ILogger log, TimeProvider time) : ILogger, IDisposable
{
    /// <summary>Events that a file has at most, and that wait for it: whatever goes wrong again and again does not fill a disk.</summary>
    private const int Most = 10_000, MostWaiting = 256;

    /// <summary>Of what is said to those who debug, this tells what happened too.</summary>
    private static readonly HashSet<string> _quiet = [nameof(ActorEvents.CheckpointWritten), nameof(ActorEvents.ValidationEnded)];

    private readonly Lock _lock = new();
    private readonly List<RunEvent> _early = [];                     // before there was a file
    private GrowingFile? _file;
    private string? _node;
    private int _written;

    /// <summary>From now on writes down what happens, and what has happened.</summary>
    /// <param name="file">The file, which is continued.</param>
    /// <param name="node">This node; null for a process that runs alone.</param>
    public void Open(string file, string? node)
    {
        lock (_lock)
        {
            if (_file is not null) return;
            (_file, _node) = (new(file), node);
            foreach (RunEvent early in _early) Write(early);
            _early.Clear();
        }
    }

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug || log.IsEnabled(logLevel);

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => log.BeginScope(state);

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (log.IsEnabled(logLevel)) log.Log(logLevel, eventId, state, exception, formatter);
        if (logLevel < LogLevel.Information && !_quiet.Contains(eventId.Name ?? "")) return;
        var happened = new RunEvent(time.GetUtcNow(), logLevel.ToString().ToLowerInvariant(), eventId.Name ?? "",
            formatter(state, exception), null);
        lock (_lock)
        {
            if (_file is not null) Write(happened);
            else if (_early.Count < MostWaiting) _early.Add(happened);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock) _file?.Dispose();
    }

    private void Write(RunEvent happened)
    {
        if (_written >= Most || _file!.Waiting >= MostWaiting) return;
        _written++;
        _file.AddLine(JsonSerializer.Serialize(happened with { Node = _node }, RunLog.Json));
        try
        {
            _file.Flush();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It is tried again with the next.
        }
    }
}
