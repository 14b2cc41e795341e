using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Tests.Support.Events;
using Microsoft.Extensions.Logging;

namespace Alpro.Web.Tests;

public sealed class RunPageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly EventCollector _log = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseCookies = false });

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    private Task<RunPage> OpenAsync(string? address = null, string? token = null, NodeCertificates? certificates = null)
    {
        PageAddress? chosen = null;
        if (address is not null) Assert.True(PageAddress.TryParse(address, out chosen));
        return RunPage.OpenAsync(new(chosen, token, certificates), new(trains: true, TimeProvider.System), _log);
    }

    [Theory]
    [InlineData("", HttpStatusCode.OK, "text/html; charset=utf-8")]
    [InlineData("api/status", HttpStatusCode.OK, "application/json; charset=utf-8")]
    [InlineData("healthz", HttpStatusCode.OK, "text/plain; charset=utf-8")]
    [InlineData("readyz", HttpStatusCode.ServiceUnavailable, "text/plain; charset=utf-8")]
    [InlineData("metrics", HttpStatusCode.OK, null)]
    [InlineData("nowhere", HttpStatusCode.NotFound, null)]
    public async Task Page_of_a_run_that_has_not_begun_answers(string path, HttpStatusCode code, string? type)
    {
        await using RunPage page = await OpenAsync();
        using HttpResponseMessage answer = await _client.GetAsync(new Uri(page.Address!, path));
        Assert.Equal(code, answer.StatusCode);
        if (type is not null) Assert.Equal(type, answer.Content.Headers.ContentType?.ToString());
    }

    [Fact]
    public async Task Address_is_said_and_is_this_machine_alone()
    {
        await using RunPage page = await OpenAsync();
        Assert.True(page.Address!.IsLoopback);
        CollectedEvent said = Assert.Single(_log.Of(nameof(WebEvents.PageOpened)));
        Assert.Equal(page.Address, new Uri((string)said.Fields["Address"]!));
        using JsonDocument status = JsonDocument.Parse(await _client.GetStringAsync(new Uri(page.Address, "api/status")));
        Assert.Equal("TooEarly", status.RootElement.GetProperty("verdict").GetProperty("kind").GetString());
    }

    [Fact]
    public async Task Newest_batch_is_shown_when_there_is_one()
    {
        await using RunPage page = await OpenAsync();
        Uri address = new(page.Address!, "api/batch");
        Assert.Equal(HttpStatusCode.NoContent, (await _client.GetAsync(address)).StatusCode);
        page.Status.Watch(new TrainingRun(null!, new("run"), Resume: false)).Pictured(new(DateTimeOffset.UnixEpoch, 5, "films",
            [new("clip", [new("red", false, "[MASK]")], null, new(0, 8, 16, 8), 16, 2, [0xFF, 0xD8])]));
        using JsonDocument batch = JsonDocument.Parse(await _client.GetStringAsync(address));
        Assert.Equal(5, batch.RootElement.GetProperty("step").GetInt64());
        JsonElement clip = batch.RootElement.GetProperty("clips")[0];
        Assert.Equal([0xFF, 0xD8], clip.GetProperty("picture").GetBytesFromBase64());
        Assert.Equal("[MASK]", clip.GetProperty("caption")[0].GetProperty("shown").GetString());
        Assert.Equal(16, clip.GetProperty("region").GetProperty("width").GetInt32());
    }

    [Fact]
    public async Task Page_that_is_off_opens_no_port()
    {
        await using RunPage page = await OpenAsync("off");
        Assert.Null(page.Address);
        Assert.Empty(_log.Events);
    }

    [Fact]
    public async Task Chosen_port_that_is_taken_is_a_usage_error()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        UsageException refused = await Assert.ThrowsAsync<UsageException>(() => OpenAsync($"{other.LocalEndpoint}"));
        Assert.StartsWith($"--page {other.LocalEndpoint}: ", refused.Message, StringComparison.Ordinal);
        Assert.Empty(_log.Events);
    }

    [Fact]
    public async Task Address_that_others_reach_needs_something_to_show()
    {
        UsageException refused = await Assert.ThrowsAsync<UsageException>(() => OpenAsync("0.0.0.0:0"));
        Assert.Contains("--page-token", refused.Message, StringComparison.Ordinal);
        await using RunPage page = await OpenAsync("0.0.0.0:0", token: "secret");
        Assert.NotNull(page.Address);
    }

    [Fact]
    public async Task Token_is_asked_for_everywhere_as_bearer_or_in_the_query()
    {
        await using RunPage page = await OpenAsync(token: "secret");
        foreach (string path in new[] { "", "api/status", "metrics", "healthz", "readyz", "nowhere" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(path));
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync($"{path}?token=secre"));
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(path, bearer: "wrong"));
            Assert.NotEqual(HttpStatusCode.Unauthorized, await CodeAsync($"{path}?token=secret"));
            Assert.NotEqual(HttpStatusCode.Unauthorized, await CodeAsync(path, bearer: "secret"));
        }

        async Task<HttpStatusCode> CodeAsync(string path, string? bearer = null)
        {
            using var asked = new HttpRequestMessage(HttpMethod.Get, new Uri(page.Address!, path));
            if (bearer is not null) asked.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
            using HttpResponseMessage answer = await _client.SendAsync(asked);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task Open_page_is_not_shown_under_the_name_of_another_site()
    {
        await using RunPage page = await OpenAsync();
        using var asked = new HttpRequestMessage(HttpMethod.Get, page.Address) { Headers = { Host = "elsewhere.example" } };
        using HttpResponseMessage answer = await _client.SendAsync(asked);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("secret")]
    public async Task Certificate_of_the_cluster_opens_the_page_and_another_does_not(string? token)
    {
        IReadOnlyList<string> ours = NodeCertificates.Create(_folder.File("ours"), ["127.0.0.1", "visitor"], TimeProvider.System),
            others = NodeCertificates.Create(_folder.File("others"), ["stranger"], TimeProvider.System);
        using NodeCertificates node = NodeCertificates.Load(ours[0]), visitor = NodeCertificates.Load(ours[1]),
            stranger = NodeCertificates.Load(others[0]);
        await using RunPage page = await OpenAsync("127.0.0.1:0", token, node);
        Assert.Equal("https", page.Address!.Scheme);
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(visitor.Own));
        await Assert.ThrowsAsync<HttpRequestException>(() => CodeAsync(stranger.Own));
        if (token is null) await Assert.ThrowsAsync<HttpRequestException>(() => CodeAsync(null));
        else
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(null));
            Assert.Equal(HttpStatusCode.OK, await CodeAsync(null, "?token=secret"));
        }

        async Task<HttpStatusCode> CodeAsync(X509Certificate2? shown, string query = "")
        {
            using var handler = new SocketsHttpHandler
            {
                SslOptions = new SslClientAuthenticationOptions
                {
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => visitor.Trust(certificate),
                    LocalCertificateSelectionCallback = shown is null ? null : (_, _, _, _, _) => shown,
                },
            };
            using var client = new HttpClient(handler);
            using HttpResponseMessage answer = await client.GetAsync(new Uri(page.Address, query));
            return answer.StatusCode;
        }
    }
}
