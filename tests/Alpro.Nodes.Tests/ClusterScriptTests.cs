using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Alpro.Training.Records;

namespace Alpro.Nodes.Tests;

/// <summary>What <c>scripts/cluster</c> starts, where it lies beside a program that only writes down what it was told.</summary>
public sealed class ClusterScriptTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public ClusterScriptTests()
    {
        foreach (string folder in new[] { "scripts", "bin", "src/Alpro.Cli/bin/Release/net10.0" })
            Directory.CreateDirectory(_root.File(folder));
        File.Copy(Path.Combine(Locations.Root, "scripts", "cluster"), _root.File("scripts/cluster"));
        Write("scripts/alpro", $$"""
            echo "$*" >>'{{_root.File("told")}}'; echo '{"time":"2026-01-01T00:00:00Z","level":"info","id":101,"event":"Ready","message":"ready: decoder a:1"}' >&2
            exec bash -c 'sleep 60; :' alpro.dll node
            """);
        Write("bin/nvidia-smi", "printf 'GPU 0: NVIDIA H100 (UUID: GPU-1)\\nGPU 1: NVIDIA H100 (UUID: GPU-2)\\n'");
    }

    public void Dispose()
    {
        Cluster("down");
        _root.Dispose();
    }

    [Fact]
    public void Each_trainer_has_a_gpu_where_there_are_some_and_the_program_can_use_them()
    {
        string[] up = ["up", "--config", "c.json", "--trainers", "2", "--decoders", "1", "--evaluators", "1"];
        Assert.Equal((0, ""), Cluster(up));
        Assert.Equal("", Gpus("trainer") + Gpus("evaluator"));       // built without CUDA

        Cluster("down");
        File.WriteAllText(_root.File("src/Alpro.Cli/bin/Release/net10.0/libtorch_cuda.so"), "");
        File.Delete(_root.File("told"));
        Assert.Equal((0, ""), Cluster(up));
        Assert.Equal(("0,1", "1", "", ""), (Gpus("trainer"), Gpus("evaluator"), Gpus("decoder"), Gpus("coordinator")));

        Cluster("down");
        up[4] = "3";
        Assert.Equal((2, "cluster: --trainers 3: this machine has 2 GPU(s) for them, and each takes one; expected 2 at most"), Cluster(up));
    }

    [Fact]
    public void Status_says_what_each_node_does_how_the_others_ended_how_far_the_run_is_and_what_holds_it_up()
    {
        Assert.Equal((0, ""), Cluster("up", "--config", "c.json", "--decoders", "1", "--trainers", "1"));
        Directory.CreateDirectory(_root.File("out/run"));
        File.WriteAllText(_root.File("out/run/steps.jsonl"),
            """{"step":56,"loss":1.25,"terms":{"vtc":{"loss":0.5}},"clipsPerSecond":43.7,"queueDepth":1}""" + "\n");
        new RunStatus(DateTimeOffset.UnixEpoch, 57, 120, 12.3, 1.25, 43.2, 0.31, 1,
            new(FindingKind.SlowDisk, "Training waits 31 % of each step for clips.", "Pack the corpus.", 0.31),
            [new("a:1", "trainer", 0, 43.2, 0.69), new("a:1", "decoder", 2, 24.4, 0.914)]).Write(new(_root.File("out/run")));
        string victim = File.ReadAllLines(_root.File("out/nodes")).Single(line => line.StartsWith("coord", StringComparison.Ordinal));
        string ended = _root.File("out/logs/coordinator-1.exit");
        using (Process node = Process.GetProcessById(int.Parse(victim.Split(' ')[1], CultureInfo.InvariantCulture))) node.Kill();
        while (!File.Exists(ended) || File.ReadAllText(ended).Length == 0) Thread.Yield();
        string[] lines = Shown("status").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, lines.Length);
        Assert.Matches("^coordinator-1 +killed \\(-9\\)$", lines[0]);
        Assert.Matches("^trainer-1 .*  43 clips/s, busy 69 %$", lines[1]);
        Assert.Matches("^decoder-1 .*  24 clips/s, busy 91 %$", lines[2]);
        Assert.Equal("steps done: 57 of 120, 43 clips/s, 0:00:12 left, loss 1.250, batches waiting: 1", lines[3]);
        Assert.Equal("Training waits 31 % of each step for clips. Pack the corpus.", lines[4]);

        JsonElement status = JsonDocument.Parse(Shown("status", "--json")).RootElement;
        Assert.Equal(["killed (-9)", "running", "running"], status.GetProperty("nodes").EnumerateArray()
            .Select(node => node.GetProperty("state").GetString()));
        Assert.Equal("SlowDisk", status.GetProperty("run").GetProperty("verdict").GetProperty("kind").GetString());
    }

    /// <summary>The numbers after --gpu of the nodes of a role.</summary>
    private string Gpus(string role) => string.Join(',', File.ReadAllLines(_root.File("told"))
        .Where(line => line.Contains($"--role {role} ", StringComparison.Ordinal) && line.Contains("--gpu ", StringComparison.Ordinal))
        .Select(line => line.Split("--gpu ")[1].Split(' ')[0]).Order());

    private (int Code, string Errors) Cluster(params string[] arguments) => (Run(arguments, out string errors).Code, errors);

    private string Shown(params string[] arguments) => Run(arguments, out _).Output;

    private (int Code, string Output) Run(string[] arguments, out string errors)
    {
        var start = new ProcessStartInfo(_root.File("scripts/cluster"), [.. arguments, "--out", _root.File("out")])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["PATH"] = $"{_root.File("bin")}:{Environment.GetEnvironmentVariable("PATH")}" },
        };
        start.Environment.Remove("CUDA_VISIBLE_DEVICES");
        using Process script = Process.Start(start)!;
        string output = script.StandardOutput.ReadToEnd();
        errors = script.StandardError.ReadToEnd().Trim();
        script.WaitForExit();
        return (script.ExitCode, output);
    }

    private void Write(string name, string body)
    {
        File.WriteAllText(_root.File(name), $"#!/usr/bin/env bash\n{body}\n");
        using Process chmod = Process.Start("chmod", ["+x", _root.File(name)]);
        chmod.WaitForExit();
    }
}
