
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>Compares this program with whatever golden files lie in a folder.</summary>
internal static class ParityRunner
{
    private static readonly string[] _folders = ["", "model", "checkpoints", "data", "tokenizer"];

    /// <summary>
    /// The rows of every check whose golden files are in the folder or in its subfolders model, checkpoints, data and tokenizer.
    /// </summary>
    /// <param name="directory">The folder.</param>
    /// <param name="vocabulary">The vocabulary of the tokenizer's cases; null looks for <c>data/bert-base-uncased/vocab.txt</c> beside the
    /// golden files.</param>
    /// <param name="videos">The folder of the clips that <c>decode.json</c> names; null looks for <c>data/webvid-sample/videos</c>
    /// there.</param>
    /// <param name="device">Where models and trainer compute, with TF32 off; null for the CPU. What computes nothing there is checked all
    /// the same.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static IEnumerable<ParityRow> Run(string directory, string? vocabulary = null, string? videos = null, Device? device = null)
    {
        if (!Directory.Exists(directory)) throw new DirectoryNotFoundException($"there is no folder {directory}");
        foreach (string folder in _folders.Select(name => Path.Combine(directory, name)).Where(Directory.Exists))
        {
            foreach (ParityRow row in ModelParity.Check(folder, device)) yield return row;
            foreach (ParityRow row in TrainerParity.Check(folder, device)) yield return row;
            foreach (ParityRow row in CheckpointParity.Check(folder)) yield return row;
            foreach (ParityRow row in ScheduleParity.Check(folder)) yield return row;
            foreach (ParityRow row in MetricsParity.Check(folder)) yield return row;
            foreach (ParityRow row in DataParity.Check(folder)) yield return row;
            if (Path.Combine(folder, "decode.json") is var clips && File.Exists(clips))
            {
                if ((videos ?? Beside(folder, "webvid-sample/videos")) is not { } found)
                    yield return Lacking("decode.json", "the folder of its clips is not known: give it with --videos");
                else foreach (ParityRow row in DecodeParity.Compare(clips, found)) yield return row;
            }
            if (Path.Combine(folder, "cases.jsonl") is var texts && File.Exists(texts))
                yield return (vocabulary ?? Beside(folder, "bert-base-uncased/vocab.txt")) is { } found ? TokenizerParity.Compare(texts,
                    found) : Lacking("cases.jsonl", "its vocabulary is not known: give it with --vocab");
        }
    }

    /// <summary>
    /// Something in the folder <c>data</c> that lies beside the folder of golden files, whichever of its folders is asked about.
    /// </summary>
    private static string? Beside(string folder, string name) =>
        new[] { "../data", "../../data" }.Select(data => Path.GetFullPath(Path.Combine(folder, data, name))).FirstOrDefault(Path.Exists);

    private static ParityRow Lacking(string item, string what) => new(item, 0, 0, 0, "", false, "not checked: " + what);
}
