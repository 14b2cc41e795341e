using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>What the command line itself says; runs and evaluations say theirs in <c>Alpro.Actors</c>.</summary>
internal static partial class CommandEvents
{
    [LoggerMessage(EventId = 1, Level = LogLevel.Error, Message = "{Reason}")]
    public static partial void CommandFailed(this ILogger log, string reason);

    [LoggerMessage(EventId = 2, Level = LogLevel.Error, Message = "{Problem}")]
    public static partial void WordsRefused(this ILogger log, string problem);

    [LoggerMessage(EventId = 3, Level = LogLevel.Information, Message = "'{Command} --help' shows what is expected.")]
    public static partial void HelpOffered(this ILogger log, string command);

    [LoggerMessage(EventId = 4, Level = LogLevel.Information, Message = "stopped")]
    public static partial void CommandStopped(this ILogger log);

    [LoggerMessage(EventId = 5, Level = LogLevel.Warning, Message = "\"{Text}\": {Words}: not in the vocabulary, and without a meaning to the model")]
    public static partial void WordsUnknown(this ILogger log, string text, string words);

    [LoggerMessage(EventId = 6, Level = LogLevel.Information, Message = "{Fate}: {Key} = {Value}: {Why}")]
    public static partial void SettingImported(this ILogger log, string fate, string key, string value, string why);

    [LoggerMessage(EventId = 7, Level = LogLevel.Information, Message = "straight: {Steps} steps")]
    public static partial void StraightRunStarted(this ILogger log, int steps);

    [LoggerMessage(EventId = 8, Level = LogLevel.Information, Message = "broken: killed after step {Step}")]
    public static partial void BrokenRunStarted(this ILogger log, long step);

    [LoggerMessage(EventId = 9, Level = LogLevel.Information, Message = "broken: resumed to the end, with another number of decoders")]
    public static partial void BrokenRunResumed(this ILogger log);
}
