using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Checkpoints;

public class SafetensorsTests
{
    private static string Golden(string name) => Path.Combine(Locations.Golden, "checkpoints", name);

    [Fact]
    public void Every_type_survives_writing_and_reading()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var written = new Dictionary<string, Tensor>();
        foreach (ElementType element in ElementType.All.Where(element => element.Safetensors is not null))
            written[element.Name] = arange(0, 6, ScalarType.Float32).view(2, 3).to_type(element.Type);
        written["scalar"] = tensor(3.5f);
        written["empty"] = zeros(0, 4);
        written["transposed"] = arange(0, 6, ScalarType.Int64).view(2, 3).t();

        Safetensors.Save(folder.File("all.safetensors"), written,
            new Dictionary<string, string> { ["step"] = "12", ["ünï"] = "\"quoted\"" });

        using CheckpointFile file = Safetensors.Open(folder.File("all.safetensors"));
        Assert.Equal("12", file.Metadata["step"]);
        Assert.Equal("\"quoted\"", file.Metadata["ünï"]);
        Assert.Equal(written.Keys.Order(), file.Tensors.Keys.Order());
        foreach ((string name, Tensor expected) in written)
        {
            Tensor actual = file.Read(name);
            Assert.Equal(expected.shape, actual.shape);
            Assert.Equal(expected.dtype, actual.dtype);
            Assert.True(expected.equal(actual).all().item<bool>(), name);
        }
    }

    [Theory]
    [InlineData("bad_header.safetensors", "18446744073709551615")]
    [InlineData("overlap.safetensors", "inside another tensor")]
    public void Broken_golden_files_are_refused_with_file_and_reason(string name, string reason)
    {
        var fault = Assert.Throws<CheckpointException>(() => Safetensors.Open(Golden(name)));
        Assert.Contains(Golden(name), fault.Message);
        Assert.Contains(reason, fault.Message);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   """, 8, null)]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}""", 8, "negative")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}""", 8, "impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "byte range")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", 8, "byte range")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}}""", 7, "byte range")]
    [InlineData("""{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}""", 8, "F31")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "header")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "header")]
    [InlineData("""{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}""", 2, "header")]
    [InlineData("""{"a":5}""", 0, "header")]
    [InlineData("""{"a":""", 0, "header")]
    [InlineData("""[]""", 0, "begin with '{'")]
    public void Rules_of_the_format_are_enforced(string header, int bytes, string? reason)
    {
        using var folder = new TemporaryFolder();
        using (FileStream stream = File.Create(folder.File("f.safetensors")))
        {
            stream.Write(BitConverter.GetBytes((long)header.Length));
            stream.Write(System.Text.Encoding.UTF8.GetBytes(header));
            stream.Write(new byte[bytes]);
        }
        if (reason is null)
        {
            Safetensors.Open(folder.File("f.safetensors")).Dispose();
            return;
        }
        var fault = Assert.Throws<CheckpointException>(() => Safetensors.Open(folder.File("f.safetensors")));
        Assert.Contains("f.safetensors", fault.Message);
        Assert.Contains(reason, fault.Message);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        string path = folder.File("kept.safetensors");
        Safetensors.Save(path, [new("a", tensor(1f))]);

        Assert.Throws<CheckpointException>(() => Safetensors.Save(path, [new("b", tensor(new System.Numerics.Complex(1, 2)))]));

        Assert.Equal(["a"], Safetensors.Load(path).Keys);
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Reading_converts_float_types_and_strides_into_the_destination()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Tensor stored = randn(3, 5, 7);
        Safetensors.Save(folder.File("a.safetensors"), [new("a", stored.bfloat16())]);
        using CheckpointFile file = Safetensors.Open(folder.File("a.safetensors"));

        Tensor destination = zeros(7, 5, 3).permute(2, 1, 0);
        file.ReadInto("a", destination);

        Assert.True(stored.bfloat16().@float().equal(destination).all().item<bool>());
        Assert.Contains("[3, 5, 7]", Assert.Throws<CheckpointException>(() => file.ReadInto("a", zeros(3, 5))).Message);
        Assert.Contains("'b'", Assert.Throws<CheckpointException>(() => file.Read("b")).Message);
    }
}
