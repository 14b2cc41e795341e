using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Checkpoints;

public class TorchFileTests
{
    private static string Golden(string name) => Path.Combine(Locations.Golden, "checkpoints", name);

    [Theory]
    [InlineData("dtypes_zip.pt", "")]
    [InlineData("dtypes_legacy.pt", "")]
    [InlineData("wrapped_state_dict.pt", "state_dict/module.")]
    public void Golden_files_hold_the_expected_tensors(string name, string prefix)
    {
        using var scope = NewDisposeScope();
        using CheckpointFile file = CheckpointFile.Open(Golden(name));
        IReadOnlyDictionary<string, Tensor> all = file.ReadAll();
        foreach ((string key, Tensor expected) in Safetensors.Load(Golden("dtypes_expected.safetensors")))
        {
            foreach (Tensor actual in (Tensor[])[all[prefix + key], file.Read(prefix + key)])
            {
                Assert.Equal(expected.dtype, actual.dtype);
                Assert.Equal(expected.shape, actual.shape);
                Assert.True(expected.equal(actual).all().item<bool>(), key);
            }
        }
        Assert.Equal([-3, -2, -1, 0, 1, 2], all[prefix + "o_i8"].to_type(ScalarType.Int64).data<long>().ToArray());
        Assert.Equal([0, 1, 2, 3, 4], all[prefix + "p_i16"].to_type(ScalarType.Int64).data<long>().ToArray());
    }

    [Theory]
    [InlineData("dtypes_zip.pt")]
    [InlineData("dtypes_legacy.pt")]
    public void Shared_storage_stays_shared(string name)
    {
        using var scope = NewDisposeScope();
        using CheckpointFile file = CheckpointFile.Open(Golden(name));
        IReadOnlyDictionary<string, Tensor> all = file.ReadAll();

        Assert.Equal([1L, 8L], all["k_transposed"].stride());
        Assert.Same(file.Tensors["k_transposed"].Run, file.Tensors["m_shared"].Run);
        using var noGradient = no_grad();
        all["m_shared"][2, 1].fill_(_marker);                                // element 17: the first of l_view, [1, 2] of k_transposed
        Assert.Equal(7f, all["l_view"][0, 0].item<float>());
        Assert.Equal(7f, all["k_transposed"][1, 2].item<float>());
    }

    [Fact]
    public void Nested_dictionaries_become_paths_and_plain_values_metadata()
    {
        using var scope = NewDisposeScope();
        using CheckpointFile file = CheckpointFile.Open(Golden("restore.pt"));

        Assert.Equal("37", file.Metadata["global_step"]);
        Assert.Equal("(0.9, 0.999)", file.Metadata["optim_state_dict/param_groups/0/betas"]);
        Assert.Equal("[0, 1]", file.Metadata["optim_state_dict/param_groups/0/params"]);
        Assert.Equal("None", file.Metadata["optim_state_dict/param_groups/0/foreach"]);
        Assert.Equal(ScalarType.Float16, file.Read("model_state_dict/weight").dtype);
        Assert.Equal([3L, 4L], file.Read("optim_state_dict/state/0/exp_avg").shape);

        using CheckpointFile wrapped = CheckpointFile.Open(Golden("wrapped_state_dict.pt"));
        Assert.Equal("['a', None, True, (1, 2.5)]", wrapped.Metadata["args/names"]);
        Assert.Equal("0.0001", wrapped.Metadata["args/lr"]);
        Assert.Equal([2L], wrapped.Read("args/nested/x").shape);
    }

    [Theory]
    [InlineData("malicious.pt", "posix.system")]
    [InlineData("malicious_legacy.pt", "__builtin__.eval")]
    [InlineData("truncated_zip.pt", "truncated")]
    [InlineData("truncated_legacy.pt", "truncated")]
    [InlineData("short_storage.pt", "storage '0' has 8 bytes")]
    [InlineData("not_a_checkpoint.pt", "web page")]
    [InlineData("absent.pt", "no such file")]
    public void Broken_and_malicious_golden_files_are_refused_and_nothing_runs(string name, string reason)
    {
        var fault = Assert.Throws<CheckpointException>(() => CheckpointFile.Open(Golden(name)));

        Assert.Contains(Golden(name), fault.Message);
        Assert.Contains(reason, fault.Message);
        Assert.False(File.Exists("alpro_pickle_was_executed"));
    }

    [Fact]
    public void What_is_written_is_read_back_equal_and_shared_tensors_stay_shared()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Tensor matrix = randn(4, 6), flat = arange(0, 100, ScalarType.Int64);
        var written = new OrderedDictionary<string, object?>
        {
            ["matrix"] = matrix,
            ["again"] = matrix,
            ["columns"] = matrix.t(),
            ["corner"] = matrix[.., ..2],
            ["slice"] = flat[10..20],
            ["neighbour"] = flat[20..30],
            ["strided"] = flat.as_strided([10], [3], 50),
            ["empty"] = zeros(3, 0),
            ["scalar"] = tensor(2.5),
            ["nested"] = new Dictionary<object, object?>
            {
                [0] = randn(2),
                ["flag"] = true,
                ["big"] = 1L << 40,
                ["list"] = new List<object?> { "ä", null, -1.5 },
            },
        };
        foreach (ElementType element in ElementType.All) written[element.Name] = ones(2, 2).to_type(element.Type);

        TorchFile.Save(folder.File("all.pt"), written);

        using CheckpointFile file = CheckpointFile.Open(folder.File("all.pt"));
        Assert.Equal(CheckpointFormat.TorchZip, file.Format);
        IReadOnlyDictionary<string, Tensor> read = file.ReadAll();
        foreach ((string name, object? value) in written)
        {
            if (value is not Tensor expected) continue;
            Assert.Equal(expected.dtype, read[name].dtype);
            Assert.Equal(expected.shape, read[name].shape);
            Assert.True(expected.equal(read[name]).all().item<bool>(), name);
            Assert.True(expected.equal(file.Read(name)).all().item<bool>(), name);
        }
        Assert.Equal("['ä', None, -1.5]", file.Metadata["nested/list"]);
        Assert.Equal($"{1L << 40}", file.Metadata["nested/big"]);
        Assert.Equal("True", file.Metadata["nested/flag"]);
        Assert.Equal([2L], read["nested/0"].shape);
        Assert.Same(file.Tensors["matrix"].Run, file.Tensors["columns"].Run);
        Assert.Same(file.Tensors["matrix"].Run, file.Tensors["corner"].Run);
        Assert.Same(file.Tensors["matrix"].Run, file.Tensors["again"].Run);
        Assert.NotSame(file.Tensors["slice"].Run, file.Tensors["neighbour"].Run);
        Assert.Equal(10, file.Tensors["strided"].Run.Count);
        Assert.All(file.Tensors.Values, tensor => Assert.Equal(0, tensor.Run.Position % 64));
    }

    [Fact]
    public void A_single_tensor_is_a_file_too()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        TorchFile.Save(folder.File("one.pt"), arange(0, 5, ScalarType.Float32));
        using CheckpointFile file = CheckpointFile.Open(folder.File("one.pt"));
        Assert.Equal([0, 1, 2, 3, 4], file.Read("tensor").data<float>().ToArray());
    }

    [Fact]
    public void Equal_content_gives_equal_bytes()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(folder.File("a"));
        Directory.CreateDirectory(folder.File("b"));
        foreach (string side in (string[])["a", "b"])
            TorchFile.Save(folder.File(side + "/x.pt"), new Dictionary<string, Tensor> { ["w"] = ones(3), ["v"] = zeros(2, 2) });
        Assert.Equal(File.ReadAllBytes(folder.File("a/x.pt")), File.ReadAllBytes(folder.File("b/x.pt")));
    }

    [Fact]
    public void Strided_views_larger_than_a_piece_are_gathered()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Tensor matrix = arange(0, 3000 * 2000, ScalarType.Float32).view(3000, 2000);     // 24 MB
        TorchFile.Save(folder.File("big.pt"), new Dictionary<string, Tensor>
        {
            ["m"] = matrix,
            ["t"] = matrix.t(),
            ["s"] = matrix[.., 100..1500],
        });
        using CheckpointFile file = CheckpointFile.Open(folder.File("big.pt"));
        Assert.False(file.Tensors["t"].IsContiguous);
        Assert.True(matrix.t().equal(file.Read("t")).all().item<bool>());
        Assert.True(matrix[.., 100..1500].equal(file.Read("s")).all().item<bool>());
    }

    [Fact]
    public void Damaged_bytes_are_noticed()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        TorchFile.Save(folder.File("a.pt"), new Dictionary<string, Tensor> { ["w"] = ones(1000) });
        long position;
        using (CheckpointFile intact = CheckpointFile.Open(folder.File("a.pt"))) position = intact.Tensors["w"].Run.Position;
        using (FileStream stream = File.OpenWrite(folder.File("a.pt")))
        {
            stream.Position = position + 100;
            stream.WriteByte(0x55);
        }
        using CheckpointFile file = CheckpointFile.Open(folder.File("a.pt"));
        var fault = Assert.Throws<CheckpointException>(() => file.Read("w"));
        Assert.Contains("checksum", fault.Message);
        Assert.Contains("a.pt", fault.Message);
        Assert.Contains("checksum", Assert.Throws<CheckpointException>(() => file.ReadInto("w", zeros(1000, ScalarType.Float16))).Message);
    }

    [Fact]
    public void Archives_with_64_bit_fields_are_written_and_read()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        (byte[] pickle, var storages) = PickleWriter.Write(new Dictionary<string, Tensor> { ["w"] = arange(0, 300, ScalarType.Int32) });
        using (FileStream stream = File.Create(folder.File("wide.pt")))
        {
            var zip = new TorchZipWriter(stream, wide: 64);                 // as if 64 bytes were 4 GiB
            zip.Write("wide/data.pkl", pickle);
            foreach ((string key, Tensor elements) in storages) zip.Write($"wide/data/{key}", elements);
            zip.Finish();
        }
        Assert.Contains("06064b50", Convert.ToHexString([.. File.ReadAllBytes(folder.File("wide.pt")).Reverse()]).ToLowerInvariant());
        using CheckpointFile file = CheckpointFile.Open(folder.File("wide.pt"));
        Assert.Equal(Enumerable.Range(0, 300), file.Read("w").data<int>().ToArray());
        using var archive = System.IO.Compression.ZipFile.OpenRead(folder.File("wide.pt"));
        Assert.Equal(1200, archive.GetEntry("wide/data/0")!.Length);
    }

    private static readonly Scalar _marker = 7f;
}
