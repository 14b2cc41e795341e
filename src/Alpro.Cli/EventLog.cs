using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>
/// The least important events that are written, as <c>--log</c> names them; the numbers are those of <see cref="LogLevel"/>.
/// </summary>
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

    /// <summary>An object a line: time, level, whose event it is, its number and name, the sentence, and its fields.</summary>
    Json,
}

/// <summary>The log of a process: the events of all its parts, in the order in which they come, a line each on standard error.</summary>
internal sealed class EventLog : ILoggerProvider
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

    /// <summary>
    /// A line at the foot of the terminal; events are written above it until it is disposed. Null where there is no terminal, or a program
    /// reads.
    /// </summary>
    public ProgressLine? OpenFoot() =>
        Console.IsErrorRedirected || _format == LogFormat.Json ? null : _foot = new(_writer, static () => Console.WindowWidth);

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Source(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Write(string line)
    {
        if (_foot is { } foot) foot.Say(line);
        else _writer.WriteLine(line);
    }

    private static string ToText(LogLevel level, string message) => level switch
    {
        >= LogLevel.Error => $"alpro: {message}",
        LogLevel.Warning => $"warning: {message}",
        _ => message,
    };

    private static string ToJson(
        LogLevel level, string source, EventId id, string message, IEnumerable<KeyValuePair<string, object?>> fields)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = CommandLine.JsonSettings.Encoder }))
        {
            json.WriteStartObject();
            json.WriteString("time", TimeProvider.System.GetUtcNow());
            json.WriteString("level", ((LogVerbosity)Math.Min((int)level, (int)LogVerbosity.Error)).ToString().ToLowerInvariant());
            json.WriteString("source", source);
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

    /// <summary>The way into the log of one part of the process: the program, or a library, whose events have numbers of its own.</summary>
    private sealed class Source(EventLog log, string name) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) => true;            // the factory asks for what is written alone

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string message = formatter(state, exception);
            log.Write(log._format == LogFormat.Json
                ? ToJson(logLevel, name, eventId, message, state as IEnumerable<KeyValuePair<string, object?>> ?? [])
                : ToText(logLevel, message));
        }
    }
}
