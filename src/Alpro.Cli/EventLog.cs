using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>The least important events that are written, in the words of <c>--log</c>; their numbers are those of <see cref="LogLevel"/>.</summary>
internal enum LogVerbosity
{
    Trace,
    Debug,
    Info,
    Warning,
    Error,
}

/// <summary>How events are written.</summary>
internal enum LogFormat
{
    /// <summary>A sentence a line.</summary>
    Text,

    /// <summary>An object a line: time, level, number and name of the event, the sentence, and the event's fields.</summary>
    Json,
}

/// <summary>The log of a process: the events of all its parts, in the order in which they come, a line each on standard error.</summary>
internal sealed class EventLog : ILoggerProvider, ILogger
{
    private readonly TextWriter _writer;
    private readonly LogFormat _format;
    private ProgressLine? _foot;

    /// <param name="writer">Where lines go.</param>
    /// <param name="least">The least important events that are written.</param>
    /// <param name="format">How.</param>
    public EventLog(TextWriter writer, LogVerbosity least = LogVerbosity.Info, LogFormat format = LogFormat.Text)
    {
        (_writer, _format) = (writer, format);
        Factory = LoggerFactory.Create(builder => builder.SetMinimumLevel((LogLevel)least).AddProvider(this));
        Logger = Factory.CreateLogger("Alpro");
    }

    /// <summary>Gives a part of the process its way into this log.</summary>
    public ILoggerFactory Factory { get; }

    /// <summary>The way into this log for the commands.</summary>
    public ILogger Logger { get; }

    /// <summary>A line at the foot of the terminal, above which events are written until it is disposed; null where there is no terminal, or a program reads.</summary>
    public ProgressLine? OpenFoot() =>
        Console.IsErrorRedirected || _format == LogFormat.Json ? null : _foot = new(_writer, static () => Console.WindowWidth);

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => this;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;                // the factory asks for what is written alone

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string message = formatter(state, exception);
        string line = _format == LogFormat.Json ? ToJson(logLevel, eventId, message, state as IEnumerable<KeyValuePair<string, object?>> ?? []) : ToText(logLevel, message);
        if (_foot is { } foot) foot.Say(line);
        else _writer.WriteLine(line);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static string ToText(LogLevel level, string message) => level switch
    {
        >= LogLevel.Error => $"alpro: {message}",
        LogLevel.Warning => $"warning: {message}",
        _ => message,
    };

    private static string ToJson(LogLevel level, EventId id, string message, IEnumerable<KeyValuePair<string, object?>> fields)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = CommandLine.JsonSettings.Encoder }))
        {
            json.WriteStartObject();
            json.WriteString("time", TimeProvider.System.GetUtcNow());
            json.WriteString("level", ((LogVerbosity)Math.Min((int)level, (int)LogVerbosity.Error)).ToString().ToLowerInvariant());
            json.WriteNumber("id", id.Id);
            json.WriteString("event", id.Name);
            json.WriteString("message", message);
            foreach ((string name, object? value) in fields)
            {
                if (name.StartsWith('{')) continue;                  // the sentence before its fields were put in
                json.WritePropertyName(JsonNamingPolicy.CamelCase.ConvertName(name));
                JsonSerializer.Serialize(json, value, value?.GetType() ?? typeof(object), CommandLine.JsonSettings);
            }
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
