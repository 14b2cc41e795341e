using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Alpro.Data.Sampling;
using Alpro.Web.Search;
using Microsoft.Extensions.Logging;

namespace Alpro.Web.Tests.Search;

/// <summary>What the API makes of a thousand requests that mean it ill.</summary>
[Collection(SmallIndex.Name)]
public sealed class HostileRequestTests(SmallIndex index)
{
    private const int Requests = 1_000;

    private static readonly string[] _paths = ["api/media", "api/thumbnail", "api/moment", "api/search", "api/ask", "api/about",
        "openapi/v1.json", "search/", "search/search.js", "", "api", "api/media/", "search/index.html"];

    private static readonly string[] _methods = ["GET", "GET", "GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS",
        "TRACE", "PATCH", "CONNECT", "get", "BREW"];

    private static readonly string[] _names = [SmallIndex.First, SmallIndex.Hostile, SmallIndex.Gone, "../secret.mp4",
        "first/../../secret.mp4", "/etc/passwd", "../../../../../../etc/passwd", "..\\..\\secret.mp4", "file:///etc/passwd",
        "http://127.0.0.1/x", "s3://bucket/key", "first/notes.txt", "first/0.mp4\0.txt", "\0", "", ".", "..", "first", "first/", "//",
        "<script>window.hacked=1</script>", "%2e%2e%2fsecret.mp4", "..%252f..%252fsecret.mp4", "....//....//secret.mp4", "CON",
        "~/.bashrc", "/proc/self/environ", "first/0.mp4/../../../secret.mp4", "\u202emp4.terces", "ＦＩＲＳＴ", "first/0.mp4\r\nX-Evil: 1",
        "{{7*7}}", "$(id)", "'; DROP TABLE videos; --"];

    private static readonly string[] _numbers = ["0", "1", "-1", "1e308", "-1e308", "1e309", "NaN", "Infinity", "-Infinity", "0x10", "1,5",
        "1.5", "99999999999999999999", "-0", "", "null", "true", "[]", "{}", "\"1\"", "2147483648", "4.9e-324", "٣"];

    private static readonly string[] _ranges = ["bytes=0-0", "bytes=5-1", "bytes=-", "bytes=a-b", "bytes=-999999999999999999999",
        "bytes=0-,0-,0-", "bytes=99999999999-", "items=0-1", "bytes=0-0,-1,5-9", "bytes=18446744073709551616-",
        "bytes", "=", "bytes=-0", "bytes= 0 - 1"];

    private static readonly string[] _parameters = ["video", "start", "video", "start", "token", "open", "Video", "video[]"];

    private static readonly string[] _hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "localhost", "evil.example", ""];

    private static readonly string[] _types = ["application/json", "application/json", "application/json", "text/plain",
        "multipart/form-data", ""];

    [Fact]
    public async Task No_request_breaks_the_server_or_gets_a_file_outside_the_index()
    {
        var random = new SeededRandom(20);
        var requests = new List<byte[]>();
        for (int number = 0; number < Requests; number++) requests.Add(Next(ref random));
        var codes = new ConcurrentDictionary<int, int>();
        await Parallel.ForEachAsync(requests, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (request, _) =>
        {
            string answer = await SendAsync(request), asked = Encoding.UTF8.GetString(request.AsSpan(0, Math.Min(request.Length, 2_000)));
            // A connection that is closed without a word is an answer to what is no HTTP.
            int code = answer.Length == 0 ? 0 : int.Parse(answer.AsSpan("HTTP/1.1 ".Length, 3), CultureInfo.InvariantCulture);
            codes.AddOrUpdate(code, 1, (_, count) => count + 1);
            Assert.True(code is < 500 or 503, $"{code}: {asked}");
            Assert.DoesNotContain(SmallIndex.Secret, answer, StringComparison.Ordinal);
            Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("X-Evil", answer.Split("\r\n\r\n")[0], StringComparison.Ordinal);
            bool page = answer.Contains("text/html", StringComparison.Ordinal);
            Assert.False(page && answer.Contains("hacked", StringComparison.Ordinal), asked);
        });
        Assert.True(codes.ContainsKey(200) && codes.ContainsKey(400) && codes.ContainsKey(404) && codes.ContainsKey(405),
            string.Join(", ", codes));
        Assert.DoesNotContain(index.Log.Events, said => said.Level >= LogLevel.Warning);
        using var client = new HttpClient { BaseAddress = index.Page.Address };
        Assert.Equal(SmallIndex.Videos, (await client.GetFromJsonAsync<AboutMessage>("api/about"))!.Videos);
    }

    private static T Of<T>(ref SeededRandom random, T[] some) => some[random.NextInt32(some.Length)];

    private static byte[] Next(ref SeededRandom random)
    {
        string path = Of(ref random, _paths), method = Of(ref random, _methods);
        var target = new StringBuilder(random.NextInt32(6) switch
        {
            0 => $"/{path}/{Spelled(ref random, Of(ref random, _names))}",
            1 => $"/{Spelled(ref random, Of(ref random, _names))}",
            _ => $"/{path}",
        });
        char sign = '?';
        for (int more = random.NextInt32(4); more > 0; more--, sign = '&')
            target.Append(sign).Append(Of(ref random, _parameters)).Append('=')
                .Append(Spelled(ref random, random.NextInt32(2) == 0 ? Of(ref random, _names) : Of(ref random, _numbers)));
        string body = method is "POST" or "PUT" or "PATCH" ? Body(ref random, path) : "";
        var head = new StringBuilder($"{method} {target} HTTP/1.1\r\nHost: {Of(ref random, _hosts)}\r\nConnection: close\r\n");
        if (random.NextInt32(3) == 0) head.Append($"Range: {Of(ref random, _ranges)}\r\n");
        if (random.NextInt32(8) == 0) head.Append($"Authorization: {Of(ref random, ["Bearer x", "Bearer", "Basic eDp4", "\u0001"])}\r\n");
        if (random.NextInt32(8) == 0) head.Append($"Cookie: alpro-page={new string('x', random.NextInt32(9_000))}\r\n");
        if (body.Length > 0) head.Append($"Content-Type: {Of(ref random, _types)}\r\n");
        byte[] bytes = Encoding.UTF8.GetBytes(body);
        if (bytes.Length > 0 || random.NextInt32(9) == 0)
            head.Append($"Content-Length: {(random.NextInt32(12) == 0 ? Of(ref random, _numbers) : $"{bytes.Length}")}\r\n");
        return [.. Encoding.UTF8.GetBytes($"{head}\r\n"), .. bytes];
    }

    /// <summary>A name as it stands (its spaces apart, which would end the address), encoded, or encoded twice.</summary>
    private static string Spelled(ref SeededRandom random, string name) => random.NextInt32(3) switch
    {
        0 => name.Replace(' ', '+').Replace("\r\n", "%0d%0a", StringComparison.Ordinal),
        1 => Uri.EscapeDataString(name),
        _ => Uri.EscapeDataString(Uri.EscapeDataString(name)),
    };

    private static string Body(ref SeededRandom random, string path)
    {
        if (random.NextInt32(8) == 0) return Of(ref random, ["", "{", "[]", "null", "\"", "{\"text\":\"\\ud800\"}", "{\"text\":{}}", "\0",
            new string('[', 10_000), new string('a', 100_000), $"{{\"text\":\"{new string('a', 2_000)}\"}}"]);
        string[] fields = path == "api/ask" ? ["question", "video", "start", "top"]
            : ["text", "video", "start", "folder", "atLeast", "atMost", "top", "rerank"];
        var said = new List<string>();
        foreach (string field in fields)
        {
            if (random.NextInt32(3) == 0) continue;
            bool number = field is "start" or "atLeast" or "atMost" or "top" or "rerank";
            if (random.NextInt32(8) == 0) number = !number;
            said.Add($"\"{field}\": {(number ? Of(ref random, _numbers) : JsonSerializer.Serialize(Of(ref random, _names)))}");
        }
        if (random.NextInt32(10) == 0) said.Add("\"__proto__\": {}");
        return $"{{ {string.Join(", ", said)} }}";
    }

    /// <summary>Sends bytes as they are, and reads until the server closes: no client in between that would mend them.</summary>
    private async Task<string> SendAsync(byte[] request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", index.Page.Address.Port);
        NetworkStream stream = client.GetStream();
        var answer = new MemoryStream();
        try
        {
            await stream.WriteAsync(request);
            await stream.CopyToAsync(answer);
        }
        catch (IOException)
        {
            // the server has closed before it read everything
        }
        return Encoding.Latin1.GetString(answer.ToArray());
    }
}
