using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Actors;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
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

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly IDisposable? _sending = MetricsExport.ToCollector();
    private PageServer? _server;
    private MeterProvider? _metrics;
    private RunFeed? _feed;

    private RunPage(RunHealth status) => Status = status;

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
        var page = new RunPage(status);
        page._server = await PageServer.OpenAsync(settings, "run.html", page.Map, log);
        return page;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();                                // or the server would wait for its visitors
        if (_server is not null) await _server.DisposeAsync();
        _metrics?.Dispose();
        _sending?.Dispose();
        _closing.Dispose();
    }

    private void Map(WebApplication site)
    {
        _metrics = MetricsExport.ForPrometheus();
        site.MapGet("/api/status", Status.Report);
        site.MapGet("/api/batch", () => Status.Batch is { } batch ? Results.Json(batch) : Results.NoContent());
        site.MapGet("/api/events", (HttpContext context) =>
        {
            context.Response.Headers["X-Accel-Buffering"] = "no";    // nginx would keep news until there are many
            return TypedResults.ServerSentEvents(WatchAsync(context.RequestAborted));
        });
        site.MapGet("/api/runs/{name}", (string name) => Beside(name) is { } other ? Results.Json(other) : Results.NotFound());
        site.MapGet("/healthz", () => Answer(Status.Health()));
        site.MapGet("/readyz", () => Answer(Status.Readiness()));
        site.MapPrometheusScrapingEndpoint("/metrics", _metrics, configureBranchedPipeline: null, optionsName: null);
    }

    /// <summary>
    /// What a visitor's page is told: first all there is, then each second the parts that have changed, and of the curves what is new.
    /// </summary>
    private async IAsyncEnumerable<string> WatchAsync([EnumeratorCancellation] CancellationToken gone)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(gone, _closing.Token);
        using var timer = new PeriodicTimer(_every);
        StepCurves.Drawn? drawn = null;
        var sent = new Dictionary<string, string>();
        bool last;
        do
        {
            last = _closing.IsCancellationRequested;                 // how it ended is seen too
            if (Look(drawn) is not var (view, curves)) continue;
            var changed = new JsonObject();
            foreach ((string part, JsonNode? value) in JsonSerializer.SerializeToNode(view, PageJson.Options)!.AsObject())
            {
                string json = value?.ToJsonString() ?? "null";
                if (sent.TryGetValue(part, out string? before) && before == json) continue;
                sent[part] = json;
                changed[part] = value?.DeepClone();
            }
            bool grown = drawn is null || curves.From != drawn.Count - 1 || curves.Count != drawn.Count || curves.Width > 1;
            drawn = curves;
            if (changed.Count > 0 || grown)
                yield return JsonSerializer.Serialize(new { View = changed, Curves = grown ? curves : null }, PageJson.Options);
        }
        while (!last && (await NextAsync(timer, ends.Token) || !gone.IsCancellationRequested));
    }

    /// <summary>Waits for the time of the next look; false when there will be none.</summary>
    private static async Task<bool> NextAsync(PeriodicTimer timer, CancellationToken ends)
    {
        try
        {
            return await timer.WaitForNextTickAsync(ends);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Looks at the run; null before it is known, and while its records are being cut.</summary>
    private (RunFeed.View View, StepCurves.Drawn Curves)? Look(StepCurves.Drawn? drawn)
    {
        if (Status.Run is not { } run) return null;
        lock (_lock)
        {
            _feed ??= new(run.Folder);
            try
            {
                return (_feed.Look(Status.Report(), Status.Health(), Status.Batch), _feed.Curves(drawn));
            }
            catch (Exception exception) when (exception is ConfigException or IOException)
            {
                return null;
            }
        }
    }

    /// <summary>The curves of a run that lies beside this one; null where there is none of that name.</summary>
    private object? Beside(string name)
    {
        RunFeed? other;
        lock (_lock) other = _feed?.Beside(name);
        if (other is null) return null;
        RunFeed.View view = other.Look();
        return new { Name = name, view.Validations, Curves = other.Curves() };
    }

    private static IResult Answer(HealthCheck finding) => Results.Text($"{finding.Words}\n",
        statusCode: finding.IsTrue ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
}
