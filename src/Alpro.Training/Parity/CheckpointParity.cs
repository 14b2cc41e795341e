using Alpro.Model.Checkpoints;
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>
/// Checks the checkpoint files of <c>golden/checkpoints</c>. Sound ones must hold the expected tensors. Broken and malicious ones must be
/// refused with a message that names the file, and must run nothing.
/// </summary>
internal static class CheckpointParity
{
    private const string Expected = "dtypes_expected.safetensors";

    /// <summary>How the names of files begin that must be refused.</summary>
    private static readonly string[] _broken = ["malicious", "truncated", "short_", "not_a_checkpoint", "bad_", "overlap"];

    /// <summary>What the golden malicious files would make, were they executed.</summary>
    private const string Trace = "alpro_pickle_was_executed";

    /// <summary>A row for every checkpoint in the folder; none where it is not that folder.</summary>
    public static IReadOnlyList<ParityRow> Check(string directory)
    {
        if (!File.Exists(Path.Combine(directory, Expected))) return [];
        using var scope = NewDisposeScope();
        IReadOnlyDictionary<string, Tensor> expected = Safetensors.Load(Path.Combine(directory, Expected));
        return
        [
            .. from path in Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal)
               let name = Path.GetFileName(path)
               where (name.EndsWith(".pt", StringComparison.Ordinal) || Safetensors.IsName(name)) && name != Expected
               select _broken.Any(start => name.StartsWith(start, StringComparison.Ordinal)) ? MustRefuse(path) : MustRead(path, expected),
        ];
    }

    private static ParityRow MustRead(string path, IReadOnlyDictionary<string, Tensor> expected)
    {
        var comparison = new Comparison(Path.GetFileName(path), Comparison.Exact);
        try
        {
            using var scope = NewDisposeScope();
            using CheckpointFile file = CheckpointFile.Open(path);
            IReadOnlyDictionary<string, Tensor> tensors = file.ReadAll();
            OrderedDictionary<string, string> keys = StateDict.Find(file);
            bool known = keys.Keys.Any(expected.ContainsKey);                   // else: that it can be read is all there is to see
            foreach (string key in known ? expected.Keys.Except(keys.Keys) : []) comparison.Fail($"{key} is missing");
            foreach ((string key, string name) in keys)
            {
                Tensor found = tensors[name], golden = expected.GetValueOrDefault(key, found);
                if (golden.dtype != found.dtype || !golden.shape.AsSpan().SequenceEqual(found.shape))
                    comparison.Fail($"{key} is {found.dtype} [{string.Join(", ", found.shape)}]");
                else comparison.Add(key, golden, found);
            }
        }
        catch (CheckpointException exception)
        {
            comparison.Fail(exception.Message);
        }
        return comparison.Row();
    }

    private static ParityRow MustRefuse(string path)
    {
        bool traceBefore = File.Exists(Trace);
        ParityRow Row(bool passed, string detail) => new(Path.GetFileName(path), 1, 0, 0, "refused", passed, detail);
        try
        {
            using CheckpointFile file = CheckpointFile.Open(path);
            return Row(false, $"was read: {file.Tensors.Count} tensors");
        }
        catch (CheckpointException exception)
        {
            if (File.Exists(Trace) && !traceBefore) return Row(false, "was executed");
            return Row(exception.Message.Contains(path, StringComparison.Ordinal), exception.Message);
        }
    }
}
