using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Checkpoints;

public class CheckpointConverterTests
{
    private static string Golden(string name) => Path.Combine(Locations.Golden, "checkpoints", name);

    [Theory]
    [InlineData("dtypes_zip.pt", "a.safetensors", "b.pt")]
    [InlineData("dtypes_legacy.pt", "a.pt", "b.safetensors")]
    [InlineData("wrapped_state_dict.pt", "a.pt", "b.pt")]
    public void Every_tensor_survives_conversion_and_conversion_again(string name, string first, string second)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        CheckpointConverter.Convert(Golden(name), folder.File(first));
        ConversionReport report = CheckpointConverter.Convert(folder.File(first), folder.File(second));

        Assert.Equal(16, report.Tensors);
        using CheckpointFile file = CheckpointFile.Open(folder.File(second));
        foreach ((string key, Tensor expected) in Safetensors.Load(Golden("dtypes_expected.safetensors")))
        {
            Tensor actual = file.Read(key);
            Assert.Equal(expected.dtype, actual.dtype);
            Assert.True(expected.equal(actual).all().item<bool>(), key);
        }
        if (second.EndsWith(".pt", StringComparison.Ordinal) && first.EndsWith(".pt", StringComparison.Ordinal))
            Assert.Same(file.Tensors["k_transposed"].Run, file.Tensors["m_shared"].Run);
    }

    [Fact]
    public void What_is_left_out_is_told()
    {
        using var folder = new TemporaryFolder();
        ConversionReport report = CheckpointConverter.Convert(Golden("restore.pt"), folder.File("weights.pt"));
        Assert.Equal(2, report.Tensors);
        Assert.Contains("optim_state_dict/state/0/exp_avg", report.LeftTensors);
        Assert.Contains("global_step", report.LeftValues);

        report = CheckpointConverter.Convert(Golden("restore.pt"), folder.File("weights.safetensors"));
        Assert.Empty(report.LeftValues);
        using CheckpointFile file = CheckpointFile.Open(folder.File("weights.safetensors"));
        Assert.Equal("37", file.Metadata["global_step"]);
    }
}
