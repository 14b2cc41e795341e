using System.Diagnostics;
using Alpro.Training.Devices;

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

    /// <summary>The numbers after --gpu of the nodes of a role.</summary>
    private string Gpus(string role) => string.Join(',', File.ReadAllLines(_root.File("told"))
        .Where(line => line.Contains($"--role {role} ", StringComparison.Ordinal) && line.Contains("--gpu ", StringComparison.Ordinal))
        .Select(line => line.Split("--gpu ")[1].Split(' ')[0]).Order());

    private (int Code, string Errors) Cluster(params string[] arguments)
    {
        var start = new ProcessStartInfo(_root.File("scripts/cluster"), [.. arguments, "--out", _root.File("out")])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["PATH"] = $"{_root.File("bin")}:{Environment.GetEnvironmentVariable("PATH")}" },
        };
        start.Environment.Remove("CUDA_VISIBLE_DEVICES");
        using Process script = Process.Start(start)!;
        script.StandardOutput.ReadToEnd();
        string errors = script.StandardError.ReadToEnd();
        script.WaitForExit();
        return (script.ExitCode, errors.Trim());
    }

    private void Write(string name, string body)
    {
        File.WriteAllText(_root.File(name), $"#!/usr/bin/env bash\n{body}\n");
        using Process chmod = Process.Start("chmod", ["+x", _root.File(name)]);
        chmod.WaitForExit();
    }
}
