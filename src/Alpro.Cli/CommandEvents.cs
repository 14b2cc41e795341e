using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>What the command line itself says; runs and evaluations say theirs in <c>Alpro.Actors</c>.</summary>
internal static partial class CommandEvents
{
    [LoggerMessage(1, LogLevel.Error, "{Reason}")]
    public static partial void CommandFailed(this ILogger log, string reason);

    [LoggerMessage(2, LogLevel.Error, "{Problem}")]
    public static partial void WordsRefused(this ILogger log, string problem);

    [LoggerMessage(3, LogLevel.Information, "'{Command} --help' shows what is expected.")]
    public static partial void HelpOffered(this ILogger log, string command);

    [LoggerMessage(4, LogLevel.Information, "stopped")]
    public static partial void CommandStopped(this ILogger log);

    [LoggerMessage(5, LogLevel.Warning, "\"{Text}\": {Words}: not in the vocabulary, and without a meaning to the model")]
    public static partial void WordsUnknown(this ILogger log, string text, string words);

    [LoggerMessage(6, LogLevel.Information, "{Fate}: {Key} = {Value}: {Why}")]
    public static partial void SettingImported(this ILogger log, string fate, string key, string value, string why);

    [LoggerMessage(7, LogLevel.Information, "straight: {Steps} steps")]
    public static partial void StraightRunStarted(this ILogger log, int steps);

    [LoggerMessage(8, LogLevel.Information, "broken: killed after step {Step}")]
    public static partial void BrokenRunStarted(this ILogger log, long step);

    [LoggerMessage(9, LogLevel.Information, "broken: resumed to the end, with another number of decoders")]
    public static partial void BrokenRunResumed(this ILogger log);

    [LoggerMessage(10, LogLevel.Warning,
        "our kernels for the vision encoder cannot be used, and libtorch's slower operations take their place: {Reason}")]
    public static partial void KernelsRefused(this ILogger log, string reason);

    [LoggerMessage(11, LogLevel.Warning,
        "{Store} has not answered for {Seconds:0} s, and is asked again and again (alpro.store.deadline): {Reason}")]
    public static partial void StoreAway(this ILogger log, string store, double seconds, string reason);

    [LoggerMessage(12, LogLevel.Information, "{Store} answers again, after {Seconds:0} s")]
    public static partial void StoreBack(this ILogger log, string store, double seconds);

    [LoggerMessage(13, LogLevel.Warning,
        "what stores answer cannot be kept in {Folder}, and is asked for again each time (alpro.cache.folder): {Reason}")]
    public static partial void CacheUnwritable(this ILogger log, string folder, string reason);
}
