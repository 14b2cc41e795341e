using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;

namespace Alpro.Nodes.Tests;

/// <summary>The metrics of a cluster, read by Prometheus itself.</summary>
public sealed class PrometheusTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly HttpClient _client = new();
    private readonly int[] _ports = FreePorts.Some(4);
    private readonly string _config;

    public PrometheusTests(SmallWorld world) => SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, steps: 1_000_000);

    public void Dispose()
    {
        _client.Dispose();
        _out.Dispose();
    }

    private NodeProcess StartCoordinator() => NodeProcess.Start("--role", "coordinator", "--config", _config, "--out", _out.File("run"),
        "--decoders", "0", "--port", $"{_ports[0]}", "--data-port", "0", "--seed", $"127.0.0.1:{_ports[0]}", "--page",
        $"127.0.0.1:{_ports[1]}", "--set", "training.checkpointEvery=20");

    private NodeProcess StartDecoder() => NodeProcess.Start("--role", "decoder", "--config", _config, "--decoders", "1", "--port", "0",
        "--seed", $"127.0.0.1:{_ports[0]}", "--page", $"127.0.0.1:{_ports[2]}");

    [PrometheusFact]
    public async Task Prometheus_reads_a_cluster_and_its_own_tool_finds_no_fault()
    {
        using NodeProcess coordinator = StartCoordinator(), decoder = StartDecoder();
        await Task.WhenAll(coordinator.ReadyAsync(), decoder.ReadyAsync());
        using Process prometheus = StartPrometheus();
        try
        {
            await AtLeastAsync("min(up)", 1);
            await AtLeastAsync("alpro_run_step", 40);
            await AtLeastAsync("alpro_checkpoint_duration_seconds_count", 1);
            await AtLeastAsync("alpro_cluster_members{job=\"trainer\",role=\"decoder\",state=\"up\"}", 1);
            await AtLeastAsync("alpro_data_plane_io_bytes_total{job=\"trainer\",network_io_direction=\"receive\"}", 100_000);
            await AtLeastAsync("alpro_clips_decoded_total{job=\"decoder\"}", 100);
            await AtLeastAsync("sum(alpro_clip_duration_seconds_sum{job=\"decoder\"})", 0.001);
            await AtLeastAsync("count(alpro_actor_mailbox_depth{job=\"trainer\"})", 5);
            await AtLeastAsync("dotnet_process_memory_working_set_bytes", 1e7);
        }
        finally
        {
            prometheus.Kill();
            await prometheus.WaitForExitAsync();
        }
        foreach (int port in _ports[1..3])
        {
            string metrics = await _client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"));
            (int code, string found) = await CheckAsync(metrics);
            Assert.True(code == 0 && found.Length == 0, found);
        }
        coordinator.Interrupt();
        await Task.WhenAll(coordinator.EndAsync(), decoder.EndAsync());
    }

    private Process StartPrometheus()
    {
        string file = _out.File("prometheus.yml");
        File.WriteAllText(file, $$"""
            global: { scrape_interval: 1s }
            scrape_configs:
            - { job_name: trainer, static_configs: [ { targets: [ "127.0.0.1:{{_ports[1]}}" ] } ] }
            - { job_name: decoder, static_configs: [ { targets: [ "127.0.0.1:{{_ports[2]}}" ] } ] }
            """);
        return Process.Start(new ProcessStartInfo("prometheus", [$"--config.file={file}", $"--storage.tsdb.path={_out.File("tsdb")}",
            $"--web.listen-address=127.0.0.1:{_ports[3]}", "--log.level=error"]))!;
    }

    /// <summary>Waits until Prometheus finds at least so much, in the least of what it finds.</summary>
    private async Task AtLeastAsync(string query, double least)
    {
        var ask = new Uri($"http://127.0.0.1:{_ports[3]}/api/v1/query?query={Uri.EscapeDataString(query)}");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        string answer = "none";
        try
        {
            while (!Found(answer)) answer = await AskAsync();
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{query}: expected {least} at least: {answer}");
        }

        async Task<string> AskAsync()
        {
            await Task.Delay(100, deadline.Token);
            try
            {
                return await _client.GetStringAsync(ask, deadline.Token);
            }
            catch (HttpRequestException exception)
            {
                return exception.Message;                            // it starts
            }
        }

        bool Found(string text)
        {
            if (!text.StartsWith('{')) return false;
            using JsonDocument document = JsonDocument.Parse(text);
            double[] values = [.. document.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Select(
                one => double.Parse(one.GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture))];
            return values.Length > 0 && values.Min() >= least;
        }
    }

    private static async Task<(int Code, string Found)> CheckAsync(string metrics)
    {
        using Process tool = Process.Start(new ProcessStartInfo("promtool", ["check", "metrics"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> output = tool.StandardOutput.ReadToEndAsync(), errors = tool.StandardError.ReadToEndAsync();
        await tool.StandardInput.WriteAsync(metrics);
        tool.StandardInput.Close();
        await tool.WaitForExitAsync();
        return (tool.ExitCode, await output + await errors);
    }
}

/// <summary>A fact that needs Prometheus and its tool: skipped, with a message, where they are absent.</summary>
public sealed class PrometheusFactAttribute : FactAttribute
{
    public PrometheusFactAttribute()
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (!new[] { "prometheus", "promtool" }.All(tool => folders.Any(folder => File.Exists(Path.Combine(folder, tool)))))
            Skip = "needs Prometheus (Debian: prometheus)";
    }
}
