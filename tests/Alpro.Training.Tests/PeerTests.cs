using System.Diagnostics;
using System.Text.Json;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Parity;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests;

/// <summary>The PyTorch peer that benchmarks stand beside: it must do the same work, or the comparison says nothing.</summary>
public sealed class PeerTests
{
    private static readonly string _folder = Path.Combine(Locations.Root, "tests", "Alpro.Benchmarks", "peer");
    private static readonly string _goldenFolder = Path.Combine(Locations.Golden, "model");

    [PythonFact]
    public void The_peer_compiles()
    {
        foreach (string file in Directory.GetFiles(_folder, "*.py")) Python.Run(["-m", "py_compile", file]);
    }

    // The golden files were made with the released code's rule of which clips are ignored.
    [PythonFact("torch")]
    public void The_peer_reads_our_weights_and_computes_the_golden_losses()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string inputs = Path.Combine(_goldenFolder, "pretrain_steps.safetensors"), weights = folder.File("weights.safetensors");
        Golden golden = Golden.Open(_goldenFolder, inputs, TorchSharp.torch.CPU);
        ModelConfig sizes = GoldenSizes.Read(Path.Combine(_goldenFolder, "config.json")).Model;
        using (AlproForPretrain model = golden.Load("pretrain_init.pt", () => new AlproForPretrain(sizes))) StateDict.Save(model, weights);

        foreach (string[] form in new string[][] { [], ["--packed"] })
        {
            JsonElement line = Assert.Single(Step(["--check", weights, inputs, "--ignore-by-index", .. form]));
            foreach (string loss in new[] { "vtc", "vtm", "mlm" }) AssertClose(golden[$"out0/{loss}_loss"], line.GetProperty(loss), 2e-5);
            AssertClose(golden["out0/pem_loss"], line.GetProperty("pem"), 2e-5);
            AssertClose(golden["out0/loss"], line.GetProperty("total"), 2e-5);
            AssertClose(golden["out0/grad_norm"], line.GetProperty("grad_norm"), 1e-4);
        }
    }

    [PythonFact("torch")]
    public void The_peer_times_steps_and_single_operations()
    {
        string config = Path.Combine(_goldenFolder, "config.json");
        JsonElement step = Assert.Single(Step(["--time", "--config", config, "--batch", "2", "--steps", "1", "--precision", "fp32"]));
        string[] figures = ["forward_ms", "backward_ms", "optimizer_ms", "step_ms", "clips_per_s", "peak_gb"];
        Assert.All(figures, figure => Assert.True(step.GetProperty(figure).GetDouble() > 0));

        // What this PyTorch has no form for says so on its line; the forms that every PyTorch has must run.
        JsonElement[] items = [.. Step(["--micro", "--tiny"])];
        Assert.Equal(8, items.Select(line => line.GetProperty("item").GetString()).Distinct().Count());
        foreach (IGrouping<string?, JsonElement> item in items.GroupBy(line => line.GetProperty("item").GetString()))
            Assert.Contains(item, line => line.TryGetProperty("ms", out JsonElement ms) && ms.GetDouble() > 0);
    }

    // Nothing is filled in, so that the full-size model costs no time.
    [PythonFact("torch")]
    public void The_peer_s_parameters_are_the_full_size_checkpoint_s()
    {
        const string Script = """
            import json, sys
            import torch
            sys.path.insert(0, sys.argv[1])
            import step
            for layer in (torch.nn.Linear, torch.nn.Embedding, torch.nn.Conv2d):
                layer.reset_parameters = lambda self: None
            print(json.dumps({name: list(tensor.shape) for name, tensor in step.build(step.Sizes(), "cpu").state_dict().items()}))
            """;
        var peer = JsonSerializer.Deserialize<Dictionary<string, long[]>>(Python.Run(["-c", Script, _folder]))!;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Locations.Golden, "state_dict_keys.json")));
        JsonElement keys = json.RootElement.GetProperty("pretrain");
        var expected = keys.EnumerateObject().ToDictionary(key => key.Name, key => key.Value[0].Deserialize<long[]>()!);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), peer.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, key => Assert.Equal(key.Value, peer[key.Key]));
    }

    private static IEnumerable<JsonElement> Step(string[] arguments) =>
        Python.Run([Path.Combine(_folder, "step.py"), .. arguments, "--device", "cpu"]).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement);

    private static void AssertClose(Tensor golden, JsonElement peer, double tolerance)
    {
        double expected = golden.item<float>();
        Assert.Equal(expected, peer.GetDouble(), tolerance * (1 + Math.Abs(expected)));
    }
}

/// <summary>A fact that needs python3, and perhaps one of its modules: skipped, with a message, where it is absent.</summary>
internal sealed class PythonFactAttribute : FactAttribute
{
    public PythonFactAttribute(string? module = null)
    {
        if (Python.Find(module) is not null) return;
        Skip = module is null ? "needs python3" : $"needs python3 with {module} (Debian: python3-{module})";
    }
}

/// <summary>The python3 of this machine: the first on the path, or Debian's own, that has what is wanted.</summary>
internal static class Python
{
    private static readonly string? _plain = First(null), _withTorch = First("torch");

    public static string? Find(string? module) => module is null ? _plain : _withTorch;

    /// <summary>Runs it to its end and gives what it wrote.</summary>
    public static string Run(string[] arguments)
    {
        (int status, string output, string errors) = Start(_withTorch ?? _plain!, arguments);
        Assert.True(status == 0, errors);
        return output;
    }

    private static string? First(string? module)
    {
        string script = module is null ? "" : $"import {module}";
        return new[] { "python3", "/usr/bin/python3" }.FirstOrDefault(python => Start(python, ["-c", script]).Status == 0);
    }

    // What it compiles goes elsewhere than beside the source.
    private static (int Status, string Output, string Errors) Start(string python, string[] arguments)
    {
        var start = new ProcessStartInfo(python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PYTHONPYCACHEPREFIX"] = Path.Combine(Path.GetTempPath(), "alpro-pycache");
        start.Environment["OMP_NUM_THREADS"] = "1";
        try
        {
            using Process process = Process.Start(start)!;
            string output = process.StandardOutput.ReadToEnd(), errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, errors);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            return (-1, "", error.Message);
        }
    }
}
