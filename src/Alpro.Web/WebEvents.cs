using Microsoft.Extensions.Logging;

namespace Alpro.Web;

/// <summary>What is said of the page of a run.</summary>
internal static partial class WebEvents
{
    // 8xx: the page.

    [LoggerMessage(801, LogLevel.Information, "the page of this process: {Address}")]
    public static partial void PageOpened(this ILogger log, string address);

    [LoggerMessage(802, LogLevel.Warning, "the run goes on without its page: {Reason}")]
    public static partial void PageNotOpened(this ILogger log, string reason);

    [LoggerMessage(803, LogLevel.Error, "{Path}: a visitor's request failed: {Problem}")]
    public static partial void RequestFailed(this ILogger log, string path, string problem);
}
