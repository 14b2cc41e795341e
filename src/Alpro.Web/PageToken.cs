using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Alpro.Web;

/// <summary>
/// What a visitor has to show: as a bearer token, or once as <c>?token=</c>, after which the browser remembers it in a cookie. For what a
/// page loads carries no header and no query.
/// </summary>
/// <param name="token">The token; null where nothing is to be shown.</param>
internal sealed class PageToken(string? token)
{
    private const string Query = "token", Scheme = "Bearer ";

    /// <summary>Lets visitors in who show it, and tells the others what to do.</summary>
    public Task PassAsync(HttpContext context, RequestDelegate next)
    {
        if (token is null || context.Connection.ClientCertificate is not null) return next(context);
        string cookie = $"alpro-page-{context.Connection.LocalPort}", header = context.Request.Headers.Authorization.ToString();
        if (header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? Is(header[Scheme.Length..])
            : context.Request.Query.ContainsKey(Query) ? Is(context.Request.Query[Query].ToString())
            : Is(context.Request.Cookies[cookie] ?? ""))
        {
            // Without a path: the browser takes the one under which it sees the page, behind a proxy too.
            if (context.Request.Query.ContainsKey(Query))
                context.Response.Cookies.Append(cookie, token, new() { HttpOnly = true, SameSite = SameSiteMode.Strict, Path = null });
            return next(context);
        }
        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = Scheme.TrimEnd();
        bool reads = context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal);
        context.Response.ContentType = reads ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
        return context.Response.WriteAsync(reads ? PageFiles.Inline("token.html", "")
            : "Expected the page's token: the header 'Authorization: Bearer TOKEN', or ?token=TOKEN.\n");
    }

    private bool Is(string shown) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(shown), Encoding.UTF8.GetBytes(token!));
}
