using System.Net;
using System.Net.Sockets;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Alpro.Web;

/// <summary>Where a page listens, and who may see it.</summary>
/// <param name="Address">Where; null where nobody chose: then a free port of this machine, and the run goes on if there is none.</param>
/// <param name="Token">What a visitor has to show; null for nothing.</param>
/// <param name="Certificates">The cluster's certificates: visitors are to have one, or the token. Null for plain HTTP.</param>
public sealed record PageSettings(PageAddress? Address, string? Token, NodeCertificates? Certificates);

/// <summary>A small web server in this process: pages, and what they ask for. It lets in those alone who may see them.</summary>
internal sealed class PageServer : IAsyncDisposable
{
    private readonly WebApplication _site;

    private PageServer(WebApplication site) => _site = site;

    /// <summary>Where it listens.</summary>
    public Uri Address => new(_site.Urls.Single());

    /// <summary>Opens pages, unless they are off, and says where they are.</summary>
    /// <param name="settings">Where, and for whom.</param>
    /// <param name="page">The file of the page at <c>/</c>, see <see cref="PageFiles"/>.</param>
    /// <param name="map">Adds what there is beside the files.</param>
    /// <param name="log">The log of the process.</param>
    /// <param name="add">Adds the services that what is mapped needs; null for none.</param>
    /// <returns>The server; null where pages are off, or nobody chose an address and none can be had.</returns>
    /// <exception cref="UsageException">The address was chosen, and cannot be had or may not be used.</exception>
    public static async Task<PageServer?> OpenAsync(PageSettings settings, string page, Action<WebApplication> map, ILogger log,
        Action<IServiceCollection>? add = null)
    {
        PageAddress address = settings.Address ?? PageAddress.Free;
        if (!address.IsLocal && settings is { Token: null, Certificates: null })
            throw new UsageException($"--page {address.EndPoint}: other machines reach it, so visitors have to show something; expected "
                + "a token with --page-token or in ALPRO_PAGE_TOKEN, or a node with the cluster's certificates; or an address such as "
                + "127.0.0.1, which this machine alone reaches");
        if (address.EndPoint is null) return null;
        WebApplication site = Build(settings, address.EndPoint, add);
        PageFiles.Map(site, page);
        map(site);
        try
        {
            await site.StartAsync();
            log.PageOpened(site.Urls.Single());
            return new(site);
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            await site.DisposeAsync();
            if (settings.Address is not null)
                throw new UsageException($"--page {address.EndPoint}: {exception.Message.TrimEnd('.')}; expected {PageAddress.Expected}");
            log.PageNotOpened(exception.Message);
            return null;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _site.DisposeAsync();

    private static WebApplication Build(PageSettings settings, IPEndPoint endPoint, Action<IServiceCollection>? add)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddRoutingCore();
        builder.Services.ConfigureHttpJsonOptions(options => PageJson.Apply(options.SerializerOptions));
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        add?.Invoke(builder.Services);
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
        site.Use(new PageToken(settings.Token).PassAsync);
        site.UseRouting();
        return site;
    }

    /// <summary>
    /// The names under which an open page may be called: a site that a browser on this machine visits could otherwise read it under a name
    /// that it gives to this address.
    /// </summary>
    private static string[] HostsOf(PageSettings settings, IPEndPoint endPoint) =>
        settings is { Token: null, Certificates: null } ? ["localhost", "127.0.0.1", "[::1]", endPoint.Address.ToString()] : ["*"];
}
