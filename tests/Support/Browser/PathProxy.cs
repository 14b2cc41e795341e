using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Alpro.Tests.Support.Browser;

/// <summary>A reverse proxy that shows a page of another server under a path of its own.</summary>
internal sealed class PathProxy : IAsyncDisposable
{
    private readonly WebApplication _site;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
    private readonly string _path;

    private PathProxy(WebApplication site, string path) => (_site, _path) = (site, path);

    /// <summary>Where the page is seen.</summary>
    public Uri Address => new(new Uri(_site.Urls.Single()), $"{_path}/");

    /// <summary>Starts a proxy.</summary>
    /// <param name="page">The page.</param>
    /// <param name="path">The path, without the slash at its end.</param>
    public static async Task<PathProxy> StartAsync(Uri page, string path)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication site = builder.Build();
        var proxy = new PathProxy(site, path);
        site.Map($"{path}/{{**rest}}", (string? rest, HttpContext context) => proxy.PassAsync(new Uri(page, rest ?? ""), context));
        await site.StartAsync();
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        await _site.DisposeAsync();
        _client.Dispose();
    }

    private async Task PassAsync(Uri to, HttpContext context)
    {
        using var asked = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(to) { Query = context.Request.QueryString.Value }.Uri);
        foreach (string name in new[] { "Cookie", "Accept" })
            if (context.Request.Headers.TryGetValue(name, out var values)) asked.Headers.TryAddWithoutValidation(name, (string?[])values!);
        try
        {
            using HttpResponseMessage answer = await _client.SendAsync(
                asked, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
            context.Response.StatusCode = (int)answer.StatusCode;
            context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
            if (answer.Headers.TryGetValues("Set-Cookie", out var cookies)) context.Response.Headers.SetCookie = cookies.ToArray();
            await using Stream content = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
            byte[] block = new byte[1 << 14];
            for (int read; (read = await content.ReadAsync(block, context.RequestAborted)) > 0;)
            {
                await context.Response.Body.WriteAsync(block.AsMemory(0, read), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The visitor has gone.
        }
    }
}
