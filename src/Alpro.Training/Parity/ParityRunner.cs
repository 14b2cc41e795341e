namespace Alpro.Training.Parity;

/// <summary>Compares this program with whatever golden files lie in a folder.</summary>
public static class ParityRunner
{
    private static readonly string[] Folders = ["", "model", "checkpoints", "data", "tokenizer"];

    /// <summary>The rows of every check whose golden files are in the folder or in its subfolders model, checkpoints, data and tokenizer.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="videos">The folder of the clips that <c>decode.json</c> names.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static IEnumerable<ParityRow> Run(string directory, string? videos = null)
    {
        if (!Directory.Exists(directory)) throw new DirectoryNotFoundException($"there is no folder {directory}");
        foreach (string folder in Folders.Select(name => Path.Combine(directory, name)).Where(Directory.Exists))
        {
            foreach (Func<string, IReadOnlyList<ParityRow>> check in new Func<string, IReadOnlyList<ParityRow>>[] { ModelParity.Check, TrainerParity.Check, CheckpointParity.Check, ScheduleParity.Check, MetricsParity.Check })
                foreach (ParityRow row in check(folder)) yield return row;
        }
        if (!File.Exists(Path.Combine(directory, "data", "decode.json"))) yield break;
        if (videos is null)
            yield return new("decode.json", 0, 0, 0, "", false, "not checked: the folder of its clips is not given");
        else
            foreach (ParityRow row in DecodeParity.Compare(directory, videos)) yield return row;
    }
}
