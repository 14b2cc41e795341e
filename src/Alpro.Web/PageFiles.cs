using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Alpro.Web;

/// <summary>
/// The files that pages are made of: they lie in <c>pages/</c> as they are served, and are kept in the program. Each page names its style
/// sheets and scripts by relative addresses, so it works under any path.
/// </summary>
internal static partial class PageFiles
{
    private static readonly Assembly _program = typeof(PageFiles).Assembly;

    private static readonly string[] _names = [.. _program.GetManifestResourceNames()];

    /// <summary>A page may load what its own host has, and nothing else.</summary>
    private const string OwnHostAlone = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    /// <summary>Serves a page at <c>/</c>, and the files of all pages beside it.</summary>
    /// <param name="site">The site.</param>
    /// <param name="page">The page's file, such as <c>run.html</c>.</param>
    public static void Map(IEndpointRouteBuilder site, string page)
    {
        site.MapGet("/", context => SendAsync(context, page));
        foreach (string name in _names) site.MapGet($"/{name}", context => SendAsync(context, name));
    }

    /// <summary>The text of a file.</summary>
    public static string Read(string name)
    {
        using var reader = new StreamReader(_program.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    /// <summary>A page as one file that needs no other, with data in it as <c>data</c>.</summary>
    /// <param name="page">The page's file.</param>
    /// <param name="json">The data.</param>
    public static string Inline(string page, string json)
    {
        string html = StyleSheet().Replace(Read(page), match => $"<style>{Read(match.Groups["file"].Value)}</style>");
        html = Script().Replace(html, match => $"<script>{Read(match.Groups["file"].Value)}</script>");
        // In a script element, only "</" could end it, and "<!--" change how it is read.
        string data = $"<script id=\"data\" type=\"application/json\">{json.Replace("<", "\\u003c", StringComparison.Ordinal)}</script>";
        return html.Replace("<!-- data -->", data, StringComparison.Ordinal);
    }

    private static Task SendAsync(HttpContext context, string name)
    {
        context.Response.ContentType = Path.GetExtension(name) switch
        {
            ".html" => "text/html; charset=utf-8",
            ".css" => "text/css; charset=utf-8",
            ".js" => "text/javascript; charset=utf-8",
            ".svg" => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        context.Response.Headers.CacheControl = "no-cache";          // another version of the program may listen here next
        context.Response.Headers.ContentSecurityPolicy = OwnHostAlone;
        context.Response.Headers["Referrer-Policy"] = "no-referrer"; // the address may hold the token
        return context.Response.WriteAsync(Read(name));
    }

    [GeneratedRegex("""<link rel="stylesheet" href="(?<file>[^"]+)">""")]
    private static partial Regex StyleSheet();

    [GeneratedRegex("""<script src="(?<file>[^"]+)" defer></script>""")]
    private static partial Regex Script();
}
