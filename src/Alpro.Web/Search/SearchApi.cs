using System.Text.Json;
using Alpro.Data.Places;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Alpro.Web.Search;

/// <summary>
/// What programs and the page ask of an index: <c>/openapi/v1.json</c> describes it. Whatever is refused comes with a sentence.
/// </summary>
internal static class SearchApi
{
    /// <summary>The most bytes that a request may bring.</summary>
    private const int MostBytes = 64 << 10;

    /// <summary>The most bytes that are taken in from a request that is refused for its size.</summary>
    private const int MostIgnored = 32 << 20;

    /// <summary>Adds the services that <see cref="Map"/> needs.</summary>
    public static void Add(IServiceCollection services) =>
        services.AddOpenApi().Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);

    /// <summary>Adds the API to a site.</summary>
    /// <param name="site">The site.</param>
    /// <param name="service">Answers.</param>
    /// <param name="log">The log of the process.</param>
    public static void Map(WebApplication site, SearchService service, ILogger log)
    {
        site.UseStatusCodePages(context => TellAsync(context.HttpContext, null));
        site.Use((context, next) => GuardedAsync(context, next, log));
        site.MapOpenApi();
        RouteGroupBuilder api = site.MapGroup("/api");
        api.MapGet("/about", () => service.About)
            .WithSummary("The index, its model, what scores mean, and how much may be asked for.");
        api.MapPost("/search", service.SearchAsync)
            .WithSummary("Moments that show what a text says, or are like a moment or a video; best first.");
        api.MapPost("/ask", service.AskAsync)
            .WithSummary("Answers to a question about a moment or a video, and the frames that they were drawn from.");
        api.MapGet("/moment", (string video, double start) => service.Moment(video, start))
            .WithSummary("The moment of a video at a second.");
        api.MapGet("/thumbnail", (string video, double start) => service.Thumbnail(video, start))
            .WithSummary("The picture of the moment of a video at a second, a JPEG.");
        api.MapGet("/media", (string video) => service.Media(video))
            .WithSummary("The original file of a video of the index; a stretch of it by the header Range.");
    }

    private static async Task GuardedAsync(HttpContext context, RequestDelegate next, ILogger log)
    {
        Protect(context.Response.Headers);
        // The server takes in what it refuses: many clients listen only when they have said everything.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = MostIgnored;
        try
        {
            if (context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true) await LimitAsync(context.Request);
            await next(context);
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            // nobody is there to be told
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            (int status, string? sentence) = exception switch
            {
                Refusal refusal => (refusal.Status, refusal.Message),
                PlaceException problem => (StatusCodes.Status404NotFound, $"The file cannot be read any more: {problem.Finding}."),
                BadHttpRequestException { InnerException: JsonException json } => (StatusCodes.Status400BadRequest,
                    $"The body is not what is expected at {json.Path}; /openapi/v1.json describes it."),
                BadHttpRequestException bad => (bad.StatusCode, null),
                _ => (StatusCodes.Status500InternalServerError, null),
            };
            if (status == StatusCodes.Status500InternalServerError) log.RequestFailed(context.Request.Path, $"{exception}");
            context.Response.Clear();
            Protect(context.Response.Headers);
            context.Response.StatusCode = status;
            if (status == StatusCodes.Status503ServiceUnavailable) context.Response.Headers.RetryAfter = "1";
            await TellAsync(context, sentence);
        }
    }

    /// <summary>Takes the body into memory, unless it is too large.</summary>
    private static async Task LimitAsync(HttpRequest request)
    {
        byte[] body = new byte[MostBytes + 1];
        int length = await request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, request.HttpContext.RequestAborted);
        if (length > MostBytes) throw new BadHttpRequestException("too large", StatusCodes.Status413PayloadTooLarge);
        request.Body = new MemoryStream(body, 0, length);
    }

    /// <summary>What is sent is what it is called, and is for pages of this host.</summary>
    private static void Protect(IHeaderDictionary headers)
    {
        headers.XContentTypeOptions = "nosniff";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private static Task TellAsync(HttpContext context, string? sentence) => context.Response.WriteAsJsonAsync(new ErrorMessage(
        sentence ?? context.Response.StatusCode switch
        {
            StatusCodes.Status400BadRequest => "A parameter is lacking, or is not what is expected; /openapi/v1.json describes them.",
            StatusCodes.Status404NotFound => "There is nothing at this address; /openapi/v1.json says what there is.",
            StatusCodes.Status413PayloadTooLarge => $"The request is too large; expected {MostBytes >> 10} KB at most.",
            StatusCodes.Status415UnsupportedMediaType => "Expected a body of the type application/json.",
            StatusCodes.Status416RangeNotSatisfiable => "The file has no such range.",
            int other => $"{ReasonPhrases.GetReasonPhrase(other)}.",
        }), PageJson.Options);
}
