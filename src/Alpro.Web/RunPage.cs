using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace Alpro.Web;

/// <summary>Where a page listens, and who may see it.</summary>
/// <param name="Address">Where; null where nobody chose: then a free port of this machine, and the run goes on if there is none.</param>
/// <param name="Token">What a visitor has to show; null for nothing.</param>
/// <param name="Certificates">The cluster's certificates: visitors are to have one, or the token. Null for plain HTTP.</param>
public sealed record PageSettings(PageAddress? Address, string? Token, NodeCertificates? Certificates);

/// <summary>
/// What others see of the run in this process while it goes on: pages for people, <c>/metrics</c>, <c>/healthz</c> and <c>/readyz</c> for
/// programs, and what is sent to a collector. It starts before the run and ends after it.
/// </summary>
public sealed class RunPage : IAsyncDisposable
{
    private readonly WebApplication? _site;
    private readonly IDisposable? _metrics, _sending;

    private RunPage(RunHealth status, WebApplication? site, IDisposable? metrics)
    {
        (Status, _site, _metrics) = (status, site, metrics);
        _sending = MetricsExport.ToCollector();
    }

    /// <summary>What it knows of the run.</summary>
    public RunHealth Status { get; }

    /// <summary>Where it is; null where there is none.</summary>
    public Uri? Address => _site is null ? null : new(_site.Urls.Single());

    /// <summary>Opens the page, unless it is off, and says where it is.</summary>
    /// <param name="settings">Where.</param>
    /// <param name="status">What it shows.</param>
    /// <param name="log">The log of the process.</param>
    /// <exception cref="UsageException">The address was chosen, and cannot be had or may not be used.</exception>
    public static async Task<RunPage> OpenAsync(PageSettings settings, RunHealth status, ILogger log)
    {
        PageAddress address = settings.Address ?? PageAddress.Free;
        if (!address.IsLocal && settings is { Token: null, Certificates: null })
            throw new UsageException($"--page {address.EndPoint}: other machines reach it, so visitors have to show something; expected "
                + "a token with --page-token or in ALPRO_PAGE_TOKEN, or a node with the cluster's certificates; or an address such as "
                + "127.0.0.1, which this machine alone reaches");
        if (address.EndPoint is null) return new(status, null, null);
        MeterProvider metrics = MetricsExport.ForPrometheus();
        WebApplication site = Build(settings, address.EndPoint, status, metrics);
        try
        {
            await site.StartAsync();
            log.PageOpened(site.Urls.Single());
            return new(status, site, metrics);
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            await site.DisposeAsync();
            metrics.Dispose();
            if (settings.Address is not null)
                throw new UsageException($"--page {address.EndPoint}: {exception.Message.TrimEnd('.')}; expected {PageAddress.Expected}");
            log.PageNotOpened(exception.Message);
            return new(status, null, null);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_site is not null) await _site.DisposeAsync();
        _metrics?.Dispose();
        _sending?.Dispose();
    }

    private static WebApplication Build(PageSettings settings, IPEndPoint endPoint, RunHealth status, MeterProvider metrics)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddHostFiltering(options => options.AllowedHosts = HostsOf(settings, endPoint));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Listen(endPoint, listener =>
            {
                if (settings.Certificates is not { } certificates) return;
                listener.UseHttps(new HttpsConnectionAdapterOptions
                {
                    ServerCertificate = certificates.Own,
                    ClientCertificateMode = settings.Token is null ? ClientCertificateMode.RequireCertificate
                        : ClientCertificateMode.AllowCertificate,
                    ClientCertificateValidation = (certificate, _, _) => certificates.Trust(certificate),
                });
            });
        });
        WebApplication site = builder.Build();
        site.UseHostFiltering();
        site.Use((context, next) => MaySee(context, settings.Token) ? next(context) : RefuseAsync(context));
        site.UseRouting();
        site.MapGet("/", () => Results.Content(PlainPage.Of(status.Report()), "text/html; charset=utf-8"));
        site.MapGet("/api/status", () => Results.Json(status.Report(), PlainPage.Json));
        site.MapGet("/api/batch", () => status.Batch is { } batch ? Results.Json(batch, PlainPage.Json) : Results.NoContent());
        site.MapGet("/healthz", () => Answer(status.Health()));
        site.MapGet("/readyz", () => Answer(status.Readiness()));
        site.MapPrometheusScrapingEndpoint("/metrics", metrics, configureBranchedPipeline: null, optionsName: null);
        return site;
    }

    /// <summary>
    /// The names under which an open page may be called: a site that a browser on this machine visits could otherwise read it under a name
    /// that it gives to this address.
    /// </summary>
    private static string[] HostsOf(PageSettings settings, IPEndPoint endPoint) =>
        settings is { Token: null, Certificates: null } ? ["localhost", "127.0.0.1", "[::1]", endPoint.Address.ToString()] : ["*"];

    private static bool MaySee(HttpContext context, string? token)
    {
        if (token is null || context.Connection.ClientCertificate is not null) return true;
        const string scheme = "Bearer ";
        string header = context.Request.Headers.Authorization.ToString(),
            shown = header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? header[scheme.Length..]
            : context.Request.Query["token"].ToString();
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(shown), Encoding.UTF8.GetBytes(token));
    }

    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return context.Response.WriteAsync("Expected the page's token: the header 'Authorization: Bearer TOKEN', or ?token=TOKEN.\n");
    }

    private static IResult Answer(HealthCheck finding) => Results.Text($"{finding.Words}\n",
        statusCode: finding.IsTrue ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
}
