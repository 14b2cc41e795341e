using System.Buffers.Binary;
using System.Text;
using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Checkpoints;

/// <summary>Files made to harm: each must be refused with its name and a reason, run nothing and allocate nothing large.</summary>
public class HostileFileTests
{
    [Theory]
    [InlineData("os", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("__builtin__", "getattr")]
    [InlineData("subprocess", "Popen")]
    [InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("torch", "load")]
    [InlineData("torch._utils", "_import_dotted_name")]
    [InlineData("numpy.core.multiarray", "_reconstruct")]
    [InlineData("collections.OrderedDict", "fromkeys")]
    [InlineData("collections", "OrderedDict.fromkeys")]
    [InlineData("argparse", "Namespace")]
    public void Every_other_name_is_refused_by_name(string module, string name)
    {
        Assert.Contains($"'{module}.{name}'", Refusal(Pickle($"c{module}\n{name}\n", "X\u0002\0\0\0hi", "\u0085", "R", ".")));
        Assert.Contains($"'{module}.{name}'", Refusal(Pickle($"\u008c{(char)module.Length}{module}", $"\u008c{(char)name.Length}{name}",
            "\u0093", ".")));
    }

    [Theory]
    [InlineData("(ios\nsystem\n.", "0x69")]                                  // INST
    [InlineData("ccollections\nOrderedDict\n)\u0081.", "0x81")]             // NEWOBJ
    [InlineData("(ccollections\nOrderedDict\no.", "0x6f")]                  // OBJ
    [InlineData("\u0082\u0001.", "0x82")]                                   // EXT1
    [InlineData("P123\n.", "0x50")]                                         // PERSID
    [InlineData("I1\n.", "0x49")]
    [InlineData("}X\u0001\0\0\0a}b.", "attribute")]                         // BUILD of something that is no dictionary
    [InlineData("N)R.", "call")]
    [InlineData("X\u0001\0\0\0a)R.", "call")]
    [InlineData("ctorch\nFloatStorage\n)R.", "call")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor")]
    [InlineData("ctorch\ndevice\nX\u0001\0\0\0aX\u0001\0\0\0b\u0086R.", "a device")]
    [InlineData("ccollections\nOrderedDict\nK\u0001\u0085R.", "OrderedDict")]
    [InlineData("X\u0007\0\0\0storageQ.", "storage")]
    [InlineData(".", "takes more values")]
    [InlineData("0.", "takes more values")]
    [InlineData("(.", "takes more values")]
    [InlineData("t.", "takes more values")]
    [InlineData("K\u0001u.", "takes more values")]
    [InlineData("K\u0001(NNu.", "not a dictionary")]
    [InlineData("}(Nu.", "not a dictionary")]
    [InlineData("}(}Nu.", "neither text nor a number")]
    [InlineData("}(K\u0001NX\u0001\0\0\u00001Nu.", "key '1' twice")]
    [InlineData("h\u0005.", "never stored")]
    [InlineData("X\u00ff\u00ff\u00ff\u007fab", "2147483647 bytes")]
    [InlineData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffab", "18446744073709551615 bytes")]
    [InlineData("\u008a\u00ff", "255 bytes")]
    [InlineData("]q\0h\0a.", "nested more than")]                           // a list that contains itself
    [InlineData("\u0080\u0009.", "protocol 9")]
    [InlineData("N", "truncated")]
    [InlineData("", "truncated")]
    public void Instructions_that_no_checkpoint_needs_are_refused(string pickle, string reason) => Assert.Contains(reason,
    Refusal(Pickle(pickle)));

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        Assert.Contains("nested more than", Refusal(Pickle(new string(']', 100_000), new string('a', 99_999), ".")));
        Assert.Contains("operations", Refusal(Pickle(new string('}', 1_100_000), ".")));
        // Each list holds the one before twice: 2^60 values once unfolded.
        Assert.Contains("entries", Refusal(Pickle("}q\0",
            string.Concat(Enumerable.Range(0, 60).Select(i => $"](h{(char)i}h{(char)i}eq{(char)(i + 1)}")), ".")));
    }

    [Fact]
    public void Values_that_are_recalled_again_and_again_cost_no_more_than_the_file()
    {
        const int Times = 100_000;
        static string Again(int times, string what) => string.Concat(Enumerable.Repeat(what, times));
        string text = "X" + Encoding.Latin1.GetString(BitConverter.GetBytes(100_000)) + new string('x', 100_000),
            dictionary = "ccollections\nOrderedDict\n";
        (string What, string Pickle)[] hostile =
        [
            // Each device is the text 1,000 times, and the next is that device 1,000 times.
            ("again and again", $"ctorch\ndevice\nq\0{text}q\u0001" + Again(6, $"0h\0({Again(1000, "h\u0001")}tRq\u0001") + "."),
            ("again and again", $"ctorch\ndevice\nq\0{text}q\u0001{Again(Times, "0h\0h\u0001\u0085R")}."),
            ("again and again", $"{dictionary}q\0]("
            + string.Concat(Enumerable.Range(0, 30_000).Select(i => $"M{(char)(i % 256)}{(char)(i / 256)}N\u0086"))
            + $"e\u0085q\u0001{Again(Times, "h\0h\u0001R")}."),
            ("again and again", $"ctorch\nSize\nq\0({Again(30_000, "K\u0001")}t\u0085q\u0001{Again(Times, "h\0h\u0001R")}."),
            ("a name of 100000", $"{text}q\0{Again(Times, "}h\0Ns0")}N."),
            ("a name of 100000", $"{text}q\0h\0\u0093."),
            ("more entries", $"](({Again(30_000, "K\u0001")}tq\0{Again(Times, "h\0")}e."),
            ("more entries", $"{text}q\0](]" + Again(Times, "h\0") + "e."),
        ];
        foreach ((string what, string pickle) in hostile)
        {
            long before = GC.GetAllocatedBytesForCurrentThread(), began = Environment.TickCount64;
            Assert.Contains(what, Refusal(Pickle(pickle)));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
            Assert.InRange(Environment.TickCount64 - began, 0, 2000);
        }
    }

    [Fact]
    public void An_archive_whose_directory_is_in_descending_order_is_read_as_fast_as_any()
    {
        var stream = new MemoryStream();
        var zip = new TorchZipWriter(stream);
        zip.Write("hostile/data.pkl", [0x80, 2, (byte)'N', (byte)'.']);
        for (int i = 0; i < 60_000; i++) zip.Write($"hostile/data/{i}", ""u8);
        zip.Finish();
        byte[] archive = stream.ToArray();
        int directory = (int)BinaryPrimitives.ReadUInt32LittleEndian(archive.AsSpan(archive.Length - 6));
        var entries = new List<byte[]>();
        for (int at = directory; at < archive.Length - 22; at += entries[^1].Length)
            entries.Add(archive[at..(at + 46 + BinaryPrimitives.ReadUInt16LittleEndian(archive.AsSpan(at + 28))
                + BinaryPrimitives.ReadUInt16LittleEndian(archive.AsSpan(at + 30)))]);
        entries.Reverse();
        byte[] descending = [.. archive[..directory], .. entries.SelectMany(entry => entry), .. archive[^22..]];
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("descending.pt"), descending);
        long began = Environment.TickCount64;
        using CheckpointFile file = CheckpointFile.Open(folder.File("descending.pt"));
        Assert.Equal("None", file.Metadata["value"]);
        Assert.InRange(Environment.TickCount64 - began, 0, 2000);
    }

    [Theory]
    [InlineData(new long[] { 5 }, new long[] { 1 }, 0, "beyond")]
    [InlineData(new long[] { 4 }, new long[] { 1 }, 1, "beyond")]
    [InlineData(new long[] { 2, 2 }, new long[] { 3, 1 }, 0, "beyond")]
    [InlineData(new long[] { -1 }, new long[] { 1 }, 0, "negative")]
    [InlineData(new long[] { 2 }, new long[] { -1 }, 1, "negative")]
    [InlineData(new long[] { 2 }, new long[] { 1 }, -1, "way that PyTorch does not")]
    [InlineData(new long[] { 2 }, new long[] { long.MaxValue }, 0, "impossible")]
    [InlineData(new long[] { long.MaxValue, 2 }, new long[] { 0, 0 }, 0, "impossible")]
    [InlineData(new long[] { 0, long.MaxValue, 2 }, new long[] { 0, 0, 0 }, 0, "impossible")]
    [InlineData(new long[] { 2, 2 }, new long[] { 1 }, 0, "2 sizes and 1 strides")]
    public void Views_outside_their_storage_are_refused(long[] shape, long[] strides, long offset, string reason) =>
        Assert.Contains(reason, Refusal(Archive(TensorPickle(4, offset, shape, strides), new byte[16])));

    [Fact]
    public void Storages_that_claim_more_than_the_file_has_are_refused_without_allocating()
    {
        long before = GC.GetTotalAllocatedBytes();
        Assert.Contains("take", Refusal(Archive(TensorPickle(1L << 40, 0, [1L << 40], [1]), new byte[16])));
        Assert.Contains("claims", Refusal(Archive(TensorPickle(long.MaxValue, 0, [4], [1]), new byte[16])));
        Assert.True(GC.GetTotalAllocatedBytes() - before < 4 << 20);
    }

    [Fact]
    public void A_tensor_expanded_beyond_reason_is_not_materialised()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        File.WriteAllBytes(folder.File("wide.pt"), Archive(TensorPickle(4, 0, [1L << 40, 4], [0, 1]), new byte[16]));
        using CheckpointFile file = CheckpointFile.Open(folder.File("wide.pt"));
        Assert.Contains("far more than the file has", Assert.Throws<CheckpointException>(() => file.Read("tensor")).Message);
        Assert.Equal([1L << 40, 4], file.ReadAll()["tensor"].shape);
    }

    [Fact]
    public void Archive_members_that_overlap_are_refused()
    {
        byte[] archive = Archive(TensorPickle(4, 0, [4], [1]), new byte[16]);
        int directory = (int)BinaryPrimitives.ReadUInt32LittleEndian(archive.AsSpan(archive.Length - 6));
        byte[] lies = [.. archive];
        int second = directory + 46 + BinaryPrimitives.ReadUInt16LittleEndian(archive.AsSpan(directory + 28))
            + BinaryPrimitives.ReadUInt16LittleEndian(archive.AsSpan(directory + 30));
        lies.AsSpan(directory + 42, 4).CopyTo(lies.AsSpan(second + 42));   // the second member where the first one is
        Assert.Contains("overlaps", Refusal(lies));
        lies = [.. archive];
        BinaryPrimitives.WriteUInt32LittleEndian(lies.AsSpan(second + 20), 4000);
        BinaryPrimitives.WriteUInt32LittleEndian(lies.AsSpan(second + 24), 4000);
        Assert.Contains("overlaps", Refusal(lies));
        lies = [.. archive];
        lies[second + 10] = 8;
        Assert.Contains("compressed", Refusal(lies));
        lies = [.. archive];
        lies[second + 8] |= 1;
        Assert.Contains("encrypted", Refusal(lies));
    }

    [Theory]
    [InlineData("dtypes_zip.pt", 1500)]
    [InlineData("dtypes_legacy.pt", 1500)]
    [InlineData("restore.pt", 1000)]
    [InlineData("dtypes_expected.safetensors", 1000)]
    public void Mutated_files_are_read_or_refused_but_never_anything_else(string name, int mutants)
    {
        using var folder = new TemporaryFolder();
        byte[] original = File.ReadAllBytes(Path.Combine(Locations.Golden, "checkpoints", name));
        uint state = 20260101;
        int Draw(int below) => (int)((state = state * 1664525 + 1013904223) / 65536 % below);
        string path = folder.File(name);
        int refused = 0;
        for (int i = 0; i < mutants; i++)
        {
            byte[] mutant = [.. original];
            int changes = 1 + Draw(4);
            for (int c = 0; c < changes; c++) mutant[Draw(mutant.Length)] = (byte)Draw(256);
            if (Draw(5) == 0) mutant = mutant[..Draw(mutant.Length)];
            File.WriteAllBytes(path, mutant);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var scope = NewDisposeScope();
                using CheckpointFile file = CheckpointFile.Open(path);
                file.ReadAll();
                foreach (string tensor in file.Tensors.Keys) file.Read(tensor);
            }
            catch (CheckpointException fault)
            {
                Assert.Contains(path, fault.Message);
                refused++;
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 20);
        }
        Assert.InRange(refused, mutants / 10, mutants);
    }

    private static string Refusal(byte[] content)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("hostile.pt"), content);
        string message = Assert.Throws<CheckpointException>(() => CheckpointFile.Open(folder.File("hostile.pt"))).Message;
        Assert.StartsWith(folder.File("hostile.pt"), message);
        return message;
    }

    /// <summary>An archive with this pickle (characters are bytes) and no storage.</summary>
    private static byte[] Pickle(params string[] parts) => Archive(Encoding.Latin1.GetBytes("\u0080\u0002" + string.Concat(parts)));

    private static byte[] Archive(byte[] pickle, byte[]? storage = null)
    {
        var stream = new MemoryStream();
        var zip = new TorchZipWriter(stream);
        zip.Write("hostile/data.pkl", pickle);
        if (storage is not null) zip.Write("hostile/data/0", storage);
        zip.Finish();
        return stream.ToArray();
    }

    /// <summary>One float tensor with whatever numbers: what torch.save would write, were they true.</summary>
    private static byte[] TensorPickle(long count, long offset, long[] shape, long[] strides)
    {
        static string Number(long number) => "\u008a\u0008" + Encoding.Latin1.GetString(BitConverter.GetBytes(number));
        static string Numbers(long[] numbers) => $"({string.Concat(numbers.Select(Number))}t";
        return Encoding.Latin1.GetBytes(
            "\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n((X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\u00000X\u0003\0\0\0cpu"
            + Number(count) + "tQ"
            + Number(offset) + Numbers(shape) + Numbers(strides) + "\u0089ccollections\nOrderedDict\n)RtR.");
    }
}
