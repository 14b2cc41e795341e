using System.Text.Json;
using Alpro.Model.Checkpoints;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>
/// What an evaluation has done so far: a file for each finished share. A file that is there is whole, so whoever evaluates the same
/// again goes on with the shares that have none. The folder's name says of what weights, settings and rows it is.
/// </summary>
/// <param name="folder">Where the files lie.</param>
public sealed class PartialResults(string folder)
{
    private const string Videos = "videos", Missing = "missing";

    /// <summary>Where the files lie.</summary>
    public string Folder { get; } = folder;

    /// <summary>Whether a share is finished.</summary>
    public bool Has(EvaluationShare share) => File.Exists(FileOf(share));

    /// <summary>Writes a finished share.</summary>
    /// <param name="share">The share.</param>
    /// <param name="tensors">Its results.</param>
    /// <param name="videos">The videos that were read, in the order of the results; none for texts.</param>
    /// <param name="missing">The videos that could not be read.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    internal void Write(EvaluationShare share, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyList<string> videos,
        IReadOnlyList<MissingVideo> missing)
    {
        Directory.CreateDirectory(Folder);
        Safetensors.Save(FileOf(share), tensors,
            new Dictionary<string, string> { [Videos] = JsonSerializer.Serialize(videos), [Missing] = JsonSerializer.Serialize(missing) });
    }

    /// <summary>Reads a finished share; the tensors belong to the caller's dispose scope.</summary>
    /// <exception cref="CheckpointException">There is none, or it is damaged.</exception>
    internal (IReadOnlyDictionary<string, Tensor> Tensors, string[] Videos, MissingVideo[] Missing) Read(EvaluationShare share)
    {
        using CheckpointFile file = Safetensors.Open(FileOf(share));
        return (file.ReadAll(), JsonSerializer.Deserialize<string[]>(file.Metadata[Videos])!,
            JsonSerializer.Deserialize<MissingVideo[]>(file.Metadata[Missing])!);
    }

    /// <summary>Removes all that was written.</summary>
    public void Delete()
    {
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
    }

    private string FileOf(EvaluationShare share) => Path.Combine(Folder,
        $"{share.Stage.ToString().ToLowerInvariant()}-{share.First:D8}.safetensors");
}
