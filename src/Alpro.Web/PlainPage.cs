using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alpro.Web;

/// <summary>How far a run is, on a page without scripts.</summary>
internal static class PlainPage
{
    /// <summary>How reports are written: camel case, NaN and infinity by name.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>The page of a report.</summary>
    public static string Of(StatusReport report)
    {
        var rows = new StringBuilder();
        Row("step", report.Step is { } step ? $"{step} of {report.Total?.ToString() ?? "?"}" : "none yet");
        if (report.ClipsPerSecond is { } rate) Row("clips per second", $"{rate:0.0}");
        if (report.WaitShare is { } wait) Row("waiting for data", $"{wait:P0} of the step");
        if (report.Loss is { } loss) Row("loss", $"{loss:0.000}");
        Row("health", report.Health);
        return $$"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <meta http-equiv="refresh" content="5">
            <title>alpro</title>
            <style>:root { color-scheme: light dark; font-family: sans-serif } th { text-align: left; padding-right: 1em }</style>
            </head>
            <body>
            <h1>alpro</h1>
            <table>
            {{rows}}</table>
            <p><a href="api/status">status</a>, <a href="metrics">metrics</a></p>
            </body>
            </html>
            """;

        void Row(string name, string value) =>
            rows.Append($"<tr><th scope=\"row\">{name}</th><td>{WebUtility.HtmlEncode(value)}</td></tr>\n");
    }
}
