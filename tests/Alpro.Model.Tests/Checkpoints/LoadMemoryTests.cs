using System.Runtime.InteropServices;
using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Checkpoints;

/// <summary>Loading takes the model and a little more, whatever the file's size.</summary>
public partial class LoadMemoryTests
{
    private const int Count = 16;
    private const long Side = 1792, Bytes = Count * Side * Side * 4, Allowance = 64 << 20;          // 206 MB

    /// <summary>Zeros, to have a model without the time of drawing one.</summary>
    private sealed class Blank : nn.Module
    {
        public Blank(ScalarType type) : base(nameof(Blank))
        {
            for (int i = 0; i < Count; i++) register_parameter($"weight{i}", nn.Parameter(ones(Side, Side, type)));
        }
    }

    [Theory]
    [InlineData("model.pt", ScalarType.Float32)]
    [InlineData("model.pt", ScalarType.Float16)]
    [InlineData("model.safetensors", ScalarType.Float32)]
    public void Loading_into_a_model_takes_little_memory_beside_it(string name, ScalarType type)
    {
        using var folder = new TemporaryFolder();
        string path = Written(folder, name);
        using var model = new Blank(type);

        long growth = PeakGrowth(() => Assert.Equal(Count, StateDict.Load(model, path, LoadMode.Inference).Loaded.Count));

        Assert.True(growth < Allowance, $"Loading took {growth / 1e6:0} MB beside the model; {Allowance / 1e6:0} MB are allowed.");
    }

    [Fact]
    public void Reading_a_whole_file_takes_its_tensors_and_little_more()
    {
        using var folder = new TemporaryFolder();
        string path = Written(folder, "model.pt");
        using var scope = NewDisposeScope();
        using CheckpointFile file = CheckpointFile.Open(path);

        Assert.InRange(PeakGrowth(() => file.ReadAll()), Bytes * 9 / 10, Bytes + Allowance);
    }

    private static string Written(TemporaryFolder folder, string name)
    {
        using var model = new Blank(ScalarType.Float32);
        StateDict.Save(model, folder.File(name));
        return folder.File(name);
    }

    /// <summary>By how much the process's resident memory grew at its highest.</summary>
    private static long PeakGrowth(Action load)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        malloc_trim(0);                                                     // else what was freed before would hide what is taken now
        File.WriteAllText("/proc/self/clear_refs", "5");                    // the peak starts anew
        long before = Status("VmRSS:");
        load();
        return Status("VmHWM:") - before;
    }

    [LibraryImport("libc")]
    private static partial int malloc_trim(nint kept);

    private static long Status(string field) =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
        .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]);
}
