using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Alpro.Data.Places;

/// <summary>A file of a web server that serves ranges.</summary>
/// <param name="address">Its URL.</param>
/// <param name="settings">How the server is asked, and the cache.</param>
internal sealed class HttpPlace(string address, PlaceSettings? settings) : RemotePlace(address, settings)
{
    private static readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),           // a store of many hosts changes the address of its name
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly Uri _uri = Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) ? uri
        : throw new DataException($"{NameOf(address)}: it is no address of a file on a web server");

    /// <exception cref="PlaceException">Always.</exception>
    public override IEnumerable<(string Name, PlaceFacts Facts)> List() =>
        throw new PlaceException(PlaceFault.Refused, Name, "a web server does not list its files");

    private protected override async Task<Answer> AskAsync(ByteRange range, CancellationToken stop)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, _uri);
        request.Headers.Range = new RangeHeaderValue(range.Start, range.End - 1);
        if (_uri.UserInfo.Length > 0)
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(_uri.UserInfo))));
        HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop)
            .ConfigureAwait(false);
        try
        {
            ByteRange sent = Sent(response, range, out long length);
            string version = response.Headers.ETag?.Tag ?? response.Content.Headers.LastModified?.ToString("O") ?? "";
            Stream body = length == 0 ? Stream.Null : await response.Content.ReadAsStreamAsync(stop).ConfigureAwait(false);
            return new Answer(sent, length, version, body, response);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    /// <summary>Which bytes an answer holds; they begin where they were asked for.</summary>
    private ByteRange Sent(HttpResponseMessage response, ByteRange asked, out long length)
    {
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent:
                if (range is not { From: { } from, To: { } to, Length: { } total } || from != asked.Start || to >= asked.End
                    || to != Math.Min(asked.End, total) - 1)
                    throw new PlaceException(PlaceFault.Refused, Name, $"bytes {asked.Start}-{asked.End - 1} were asked for, and the "
                        + $"server sends {range?.ToString() ?? "a range without saying which"}");
                length = total;
                return new ByteRange(from, to + 1 - from);
            case HttpStatusCode.OK:
                length = response.Content.Headers.ContentLength ?? long.MaxValue;
                if (asked.Start == 0 && length <= asked.Length) return new ByteRange(0, length);
                throw new PlaceException(PlaceFault.Refused, Name, "its server serves no ranges: it sends whole files");
            case HttpStatusCode.RequestedRangeNotSatisfiable:
                length = range?.Length ?? (asked.Start == 0 ? 0 : -1);
                if (length == 0) return default;
                throw new PlaceException(PlaceFault.Truncated, Name, $"it ends before byte {asked.Start}");
            case var status:
                throw Trouble(status);
        }
    }
}
