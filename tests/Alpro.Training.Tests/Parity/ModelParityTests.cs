using Alpro.Training.Configuration;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public class ModelParityTests
{
    static ModelParityTests() => TorchSharp.torch.set_num_threads(1);

    private static readonly string _golden = Path.Combine(Locations.Golden, "model");

    [Fact]
    public void The_models_compute_the_golden_numbers()
    {
        var rows = ModelParity.Check(_golden);
        Assert.All(rows, row => Assert.True(row.Passed, row.ToString()));
        Assert.Equal(
            ["features", "resize", "prompts", "prompter", "pretrain", "retrieval", "question answering", "retrieval from pretraining",
            "question answering from pretraining"],
            rows.Select(row => row.Item.Split(':')[0]).Distinct());
    }

    [Fact]
    public void Numbers_are_compared_with_tf32_off_and_the_switches_are_put_back()
    {
        var switches = () => (TorchSharp.torch.backends.cuda.matmul.allow_tf32, TorchSharp.torch.backends.cudnn.allow_tf32);
        var before = switches();
        Assert.True(before.Item2);                                   // libtorch's default, which golden tolerances do not forgive
        using (new Tf32Off()) Assert.Equal((false, false), switches());
        Assert.Equal(before, switches());
    }

    [Fact]
    public void A_model_that_computes_something_else_is_found()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in new[] { "qa.safetensors", "qa.pt" }) File.Copy(Path.Combine(_golden, file), folder.File(file));
        string config = File.ReadAllText(Path.Combine(_golden, "config.json"));
        File.WriteAllText(folder.File("config.json"),
            config.Replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 2", StringComparison.Ordinal));
        Assert.All(ModelParity.Check(folder.Path), row =>
        {
            Assert.False(row.Passed);
            Assert.Contains("is off by", row.Detail, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_checkpoint_that_lacks_a_weight_is_a_row_that_names_it()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in new[] { "config.json", "qa.safetensors" }) File.Copy(Path.Combine(_golden, file), folder.File(file));
        File.Copy(Path.Combine(_golden, "retrieval.pt"), folder.File("qa.pt"));
        var row = Assert.Single(ModelParity.Check(folder.Path));
        Assert.False(row.Passed);
        Assert.Contains("classifier.0.weight", row.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_that_cannot_be_read_are_a_row_that_failed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), "{\"bert\": {}}");
        var row = Assert.Single(ModelParity.Check(folder.Path));
        Assert.Equal("config.json", row.Item);
        Assert.False(row.Passed);
    }

    [Fact]
    public void A_folder_without_golden_models_has_nothing_to_check()
    {
        using var folder = new TemporaryFolder();
        Assert.Empty(ModelParity.Check(folder.Path));
    }
}
