using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;
using Alpro.Web;
using Google.Protobuf;

namespace Alpro.Cli.Tests.Commands;

/// <summary>The page of a run, and what is sent to a collector, as a person asks for them.</summary>
public sealed class PageOptionsTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly string[] _command;

    public PageOptionsTests(SmallWorld world)
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 100_000);
        _command = ["pretrain", "--config", _out.File("config.json"), "--out", _out.File("run"), "--decoders", "1"];
    }

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Page_shows_how_far_the_run_is_and_is_true_of_its_readiness()
    {
        using NodeProcess run = NodeProcess.StartProgram(_command);
        await run.SaysAsync(nameof(WebEvents.PageOpened));
        var page = new Uri(run.Events.First(written => written.Name == nameof(WebEvents.PageOpened)).Text("address"));
        using var client = new HttpClient { BaseAddress = page };
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        long step = 0;
        while (step < 5) step = await StepAsync();
        using HttpResponseMessage ready = await client.GetAsync("readyz"), healthy = await client.GetAsync("healthz");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (ready.StatusCode, healthy.StatusCode));
        using (JsonDocument status = JsonDocument.Parse(await client.GetStringAsync("api/status")))
            Assert.Equal(100_000, status.RootElement.GetProperty("totalSteps").GetInt64());
        Assert.Contains("alpro_run_step ", await client.GetStringAsync("metrics"), StringComparison.Ordinal);
        run.Interrupt();
        Assert.Equal(ExitCode.Interrupted, (await run.EndAsync()).Code);

        async Task<long> StepAsync()
        {
            await Task.Delay(20, deadline.Token);
            using JsonDocument status = JsonDocument.Parse(await client.GetStringAsync("api/status"));
            JsonElement done = status.RootElement.GetProperty("step");
            return done.ValueKind == JsonValueKind.Null ? 0 : done.GetInt64();
        }
    }

    [Fact]
    public void Chosen_address_that_cannot_be_had_ends_the_command_before_the_run_begins()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        (int code, _, string errors) = AlproProgram.Run([.. _command, "--page", $"{other.LocalEndpoint}"]);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.StartsWith($"alpro: --page {other.LocalEndpoint}: ", errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_out.File("run")));

        (code, _, errors) = AlproProgram.Run([.. _command, "--page", "0.0.0.0:0"]);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("--page-token", errors, StringComparison.Ordinal);

        (code, _, errors) = AlproProgram.Run([.. _command, "--page", "everywhere"]);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(PageAddress.Expected, errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Collector_is_sent_metrics_and_spans()
    {
        int port = FreePorts.One();
        using var collector = new HttpListener { Prefixes = { $"http://127.0.0.1:{port}/" } };
        collector.Start();
        var names = new ConcurrentDictionary<string, bool>();
        Task receiving = ReceiveAsync(collector, names);
        string[] environment = ["env", $"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=200"];
        using NodeProcess run = NodeProcess.StartProgram([.. _command, "--page", "off"], inside: environment);
        string[] expected = ["/v1/metrics alpro.run.step", "/v1/metrics alpro.clip.duration", "/v1/metrics alpro.clips.delivered",
            "/v1/metrics dotnet.process.cpu.time", "/v1/traces alpro.step", "/v1/traces alpro.checkpoint"];
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!expected.All(names.ContainsKey))
        {
            Assert.False(deadline.IsCancellationRequested || run.HasEnded,
                $"{string.Join('\n', names.Keys.Order(StringComparer.Ordinal))}\n{run.Errors}");
            await Task.Delay(20);
        }
        Assert.False(run.Has(nameof(WebEvents.PageOpened)));
        run.Interrupt();
        Assert.Equal(ExitCode.Interrupted, (await run.EndAsync()).Code);
        collector.Stop();
        await receiving;
    }

    /// <summary>Keeps the names of all metrics and spans that are sent, after the path to which.</summary>
    private static async Task ReceiveAsync(HttpListener collector, ConcurrentDictionary<string, bool> names)
    {
        try
        {
            while (true)
            {
                HttpListenerContext call = await collector.GetContextAsync();
                using var sent = new MemoryStream();
                await call.Request.InputStream.CopyToAsync(sent);
                // Request, resource, scope: the third level holds metrics and spans. Field 1 names a metric, and 5 a span.
                string path = call.Request.Url!.AbsolutePath;
                int nameField = path == "/v1/traces" ? 5 : 1;
                foreach (ByteString ofResource in Fields(ByteString.CopyFrom(sent.ToArray()), 1))
                    foreach (ByteString ofScope in Fields(ofResource, 2))
                        foreach (ByteString one in Fields(ofScope, 2))
                            names[$"{path} {Fields(one, nameField).Single().ToString(Encoding.UTF8)}"] = true;
                call.Response.ContentType = "application/x-protobuf";
                call.Response.Close();
            }
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // the test has ended
        }
    }

    /// <summary>The fields of a protobuf message that have a number and a length.</summary>
    private static IEnumerable<ByteString> Fields(ByteString message, int number)
    {
        var found = new List<ByteString>();
        var input = message.CreateCodedInput();
        while (input.ReadTag() is > 0 and var tag)
        {
            if (WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited && WireFormat.GetTagFieldNumber(tag) == number)
                found.Add(input.ReadBytes());
            else input.SkipLastField();
        }
        return found;
    }
}
