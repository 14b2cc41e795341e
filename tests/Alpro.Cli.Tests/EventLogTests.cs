using System.Text.Json;
using Alpro.Actors;

namespace Alpro.Cli.Tests;

/// <summary>How the events of a process are written.</summary>
public sealed class EventLogTests
{
    private readonly StringWriter _written = new();

    private string[] Lines => _written.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);

    [Fact]
    public void Text_is_a_sentence_a_line_and_names_warnings_and_errors()
    {
        Write(new(_written));
        Assert.Equal(
            ["generation 2 has 3 trainers: a:1, b:2", "warning: decode node a:1 is lost, and its 4 clips go to others: it left",
            "alpro: no room"], Lines);
    }

    [Theory]
    [InlineData("Debug", "ClipMadeByAnother GroupFormed DecodeNodeLost CommandFailed")]
    [InlineData("Warning", "DecodeNodeLost CommandFailed")]
    [InlineData("Error", "CommandFailed")]
    public void Less_important_events_than_were_asked_for_are_not_written(string least, string written)
    {
        Write(new(_written, Enum.Parse<LogVerbosity>(least), LogFormat.Json));
        Assert.Equal(written,
            string.Join(' ', Lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("event").GetString())));
    }

    [Fact]
    public void Json_has_time_level_number_name_sentence_and_fields()
    {
        Write(new(_written, LogVerbosity.Info, LogFormat.Json));
        JsonElement[] events = [.. Lines.Select(line => JsonDocument.Parse(line).RootElement)];
        JsonElement first = events[0];
        Assert.Equal(["time", "level", "source", "id", "event", "message", "generation", "world", "endpoints"],
            first.EnumerateObject().Select(field => field.Name));
        Assert.InRange((TimeProvider.System.GetUtcNow() - first.GetProperty("time").GetDateTimeOffset()).TotalMinutes, -1, 1);
        Assert.Equal((402, "GroupFormed"), (first.GetProperty("id").GetInt32(), first.GetProperty("event").GetString()));
        Assert.Equal((2, 3), (first.GetProperty("generation").GetInt64(), first.GetProperty("world").GetInt32()));
        Assert.Equal(["info", "warning", "error"], events.Select(one => one.GetProperty("level").GetString()));
    }

    private static void Write(EventLog log)
    {
        log.Logger.ClipMadeByAnother(step: 7, place: 1, milliseconds: double.NaN);
        log.Logger.GroupFormed(generation: 2, world: 3, "a:1, b:2");
        log.Logger.DecodeNodeLost("a:1", clips: 4, "it left");
        log.Logger.CommandFailed("no room");
    }
}
