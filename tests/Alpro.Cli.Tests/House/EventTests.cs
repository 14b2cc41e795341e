using System.Reflection;
using System.Text.RegularExpressions;
using Alpro.Actors.Hosting;
using Alpro.Training;
using Alpro.Web;
using Microsoft.Extensions.Logging;

namespace Alpro.Cli.Tests.House;

/// <summary>The events of all projects: programs can rely on their numbers, names and fields, and people on their sentences.</summary>
public sealed partial class EventTests
{
    /// <summary>What each line of JSON has beside the fields of its event.</summary>
    private static readonly string[] _common = ["time", "level", "source", "id", "event", "message"];

    private static readonly (MethodInfo Method, LoggerMessageAttribute Declared)[] _events =
    [
        .. from assembly in new[] { typeof(Trainer).Assembly, typeof(RunHost).Assembly, typeof(RunPage).Assembly, typeof(CommandLine).Assembly }
           from type in assembly.GetTypes()
           from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
           where method.GetCustomAttribute<LoggerMessageAttribute>() is not null
           select (method, method.GetCustomAttribute<LoggerMessageAttribute>()!),
    ];

    [Fact]
    public void Numbers_and_names_are_each_given_once()
    {
        Assert.True(_events.Length > 60, $"{_events.Length} events were found");
        Assert.All(_events, one => Assert.True(one.Declared.EventId > 0, one.Method.Name));
        Assert.Empty(_events.GroupBy(one => one.Declared.EventId).Where(same => same.Count() > 1).Select(same => same.Key));
        Assert.Empty(_events.GroupBy(one => one.Method.Name).Where(same => same.Count() > 1).Select(same => same.Key));
        Assert.All(_events, one => Assert.Null(one.Declared.EventName));
    }

    [Fact]
    public void No_field_hides_what_every_line_has() =>
        Assert.All(_events, one => Assert.DoesNotContain(one.Method.GetParameters(), parameter => _common.Contains(parameter.Name)));

    [Fact]
    public void Sentences_have_25_words_at_most() =>
        Assert.All(_events.SelectMany(one => one.Declared.Message.Split(["; ", ". "], StringSplitOptions.None)),
        sentence => Assert.InRange(Word().Count(sentence), 0, 25));

    [GeneratedRegex(@"\S+")]
    private static partial Regex Word();
}
