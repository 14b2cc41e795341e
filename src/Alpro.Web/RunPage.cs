using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Alpro.Actors;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace Alpro.Web;

/// <summary>
/// What others see of the run in this process while it goes on: the page for people, <c>/metrics</c>, <c>/healthz</c> and <c>/readyz</c>
/// for programs, and what is sent to a collector. It starts before the run and ends after it.
/// </summary>
public sealed class RunPage : IAsyncDisposable
{
    /// <summary>Time between two looks at the run for a visitor.</summary>
    private static readonly TimeSpan _every = TimeSpan.FromSeconds(1);

    private readonly PageServer? _server;
    private readonly MeterProvider? _metrics;
    private readonly IDisposable? _sending = MetricsExport.ToCollector();

    private RunPage(RunHealth status, PageServer? server, MeterProvider? metrics) => (Status, _server, _metrics) = (status, server, metrics);

    /// <summary>What it knows of the run.</summary>
    public RunHealth Status { get; }

    /// <summary>Where it is; null where there is none.</summary>
    public Uri? Address => _server?.Address;

    /// <summary>Opens the page, unless it is off, and says where it is.</summary>
    /// <param name="settings">Where.</param>
    /// <param name="status">What it shows.</param>
    /// <param name="log">The log of the process.</param>
    /// <exception cref="UsageException">The address was chosen, and cannot be had or may not be used.</exception>
    public static async Task<RunPage> OpenAsync(PageSettings settings, RunHealth status, ILogger log)
    {
        MeterProvider? metrics = null;
        PageServer? server = await PageServer.OpenAsync(settings, "run.html", site =>
        {
            metrics = MetricsExport.ForPrometheus();
            site.MapGet("/api/status", () => status.Report());
            site.MapGet("/api/events", (CancellationToken gone) => TypedResults.ServerSentEvents(WatchAsync(status, gone)));
            site.MapGet("/api/batch", () => status.Batch is { } batch ? Results.Json(batch) : Results.NoContent());
            site.MapGet("/healthz", () => Answer(status.Health()));
            site.MapGet("/readyz", () => Answer(status.Readiness()));
            site.MapPrometheusScrapingEndpoint("/metrics", metrics, configureBranchedPipeline: null, optionsName: null);
        }, log);
        return new(status, server, metrics);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _metrics?.Dispose();
        _sending?.Dispose();
    }

    private static async IAsyncEnumerable<SseItem<StatusReport>> WatchAsync(
        RunHealth status, [EnumeratorCancellation] CancellationToken gone)
    {
        using var timer = new PeriodicTimer(_every);
        do yield return new(status.Report());
        while (await timer.WaitForNextTickAsync(gone));
    }

    private static IResult Answer(HealthCheck finding) => Results.Text($"{finding.Words}\n",
        statusCode: finding.IsTrue ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
}
