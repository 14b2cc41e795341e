using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Data.Clips;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;

namespace Alpro.Training.Evaluation;

/// <summary>What a score is the score of: everything that somebody needs to know to trust it, or to get it again.</summary>
public sealed record Receipt
{
    private static readonly JsonSerializerOptions _json = new(ConfigLoader.Json) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The file's name in a folder of results.</summary>
    public const string FileName = "receipt.json";

    /// <summary>The task.</summary>
    public required LearningTask Task { get; init; }

    /// <summary>The corpus's name.</summary>
    public required string Corpus { get; init; }

    /// <summary>Its annotation file.</summary>
    public required string Annotations { get; init; }

    /// <summary><c>test</c> or <c>validation</c>.</summary>
    public required string Split { get; init; }

    /// <summary>Rows of the annotation file.</summary>
    public required long Rows { get; init; }

    /// <summary>Videos asked for.</summary>
    public required int Videos { get; init; }

    /// <summary>Captions or questions.</summary>
    public required int Texts { get; init; }

    /// <summary>Videos that could not be read.</summary>
    public required IReadOnlyList<MissingVideo> Missing { get; init; }

    /// <summary>What is odd about the rows.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Frames of a video, how they are chosen, to what size they are decoded and cut, and the length of a text.</summary>
    public required ClipSettings Clip { get; init; }

    /// <summary>Retrieval: what pairs are ranked by.</summary>
    public RetrievalScore? Score { get; init; }

    /// <summary>Retrieval: candidates kept for matching; null when every pair is matched.</summary>
    public int? Rerank { get; init; }

    /// <summary>
    /// Retrieval: decimals to which scores are rounded before <see cref="FiguresRounded"/> rank them; <see cref="Figures"/> rank them as
    /// they are.
    /// </summary>
    public int? Rounding { get; init; }

    /// <summary>Arithmetic.</summary>
    public required Precision Precision { get; init; }

    /// <summary>The file of the weights.</summary>
    public required string Weights { get; init; }

    /// <summary>SHA-256 of that file.</summary>
    public required string WeightHash { get; init; }

    /// <summary>SHA-256 of the settings that decide the scores; paths are no part of it.</summary>
    public required string ConfigHash { get; init; }

    /// <summary>Fingerprint of the videos' names, the texts' tokens and the answers.</summary>
    public required string RowsHash { get; init; }

    /// <summary>The program's version.</summary>
    public required string Program { get; init; }

    /// <summary>The host that did it; of several evaluators, the one that put their results together.</summary>
    public string? Host { get; init; }

    /// <summary>The device: the CPU with the threads of one operation, or the GPU's name.</summary>
    public required string Device { get; init; }

    /// <summary>The version of the GPU's driver.</summary>
    public string? Driver { get; init; }

    /// <summary>Which of libtorch's kernels computed the vision encoder's attention.</summary>
    public string? Attention { get; init; }

    /// <summary>
    /// What computed the vision encoder's blocks on a GPU, products and attention over space apart: our kernels, or libtorch's and why.
    /// </summary>
    public string? Blocks { get; init; }

    /// <summary>What the GPU computes with TF32 when 32 bits are asked for: nothing, products, convolutions or both.</summary>
    public string? Tf32 { get; init; }

    /// <summary>When it was finished.</summary>
    public required DateTimeOffset Finished { get; init; }

    /// <summary>How long it took; of one that was continued, since then.</summary>
    public required double Seconds { get; init; }

    /// <summary>The figures over the videos that were read, under the names that the released code gives them.</summary>
    public required JsonObject Figures { get; init; }

    /// <summary>The same with scores rounded to <see cref="Rounding"/> decimals first, as the released code ranks them.</summary>
    public JsonObject? FiguresRounded { get; init; }

    /// <summary>The same with what belongs to missing videos counted as wrong; null when nothing is missing.</summary>
    public JsonObject? FiguresWithMissing { get; init; }

    /// <summary>Ranks from text to video that hang on the order of equal scores.</summary>
    public int? Ties { get; init; }

    /// <summary>Questions whose answer is none of the labels.</summary>
    public int? WithoutLabel { get; init; }

    /// <summary>The version of this program, with its commit where the build knew it.</summary>
    public static string ProgramVersion { get; } =
        typeof(Receipt).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The hash of a file of weights.</summary>
    public static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>The hash of the settings that decide scores: the same wherever the files lie.</summary>
    /// <param name="config">A configuration that is reduced to those.</param>
    public static string HashOf(RunConfig config)
    {
        RunConfig placeless = config with
        {
            Data = config.Data with
            {
                Corpora = [.. config.Data.Corpora.Select(corpus => corpus with { Name = "", Annotations = "", Media = null })],
                Vocabulary = "",
                Answers = null,
            },
        };
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ConfigLoader.ToJson(placeless))));
    }

    /// <summary>Reads a receipt.</summary>
    /// <param name="path">The file, or the folder of results that has it.</param>
    /// <exception cref="ConfigException">There is none, or it is not one.</exception>
    public static Receipt Read(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        if (!File.Exists(file)) throw new ConfigException(file, [new("", null, "there is no such receipt; 'alpro evaluate' writes them")]);
        try
        {
            return JsonSerializer.Deserialize<Receipt>(File.ReadAllBytes(file), _json)!;
        }
        catch (JsonException error)
        {
            throw new ConfigException(file, [new("", (int?)error.LineNumber + 1, $"not a receipt of 'alpro evaluate': {error.Message}")]);
        }
    }

    /// <summary>The receipt in a folder of results; null where there is none that can be read.</summary>
    public static Receipt? Find(string folder)
    {
        try
        {
            return Read(folder);
        }
        catch (ConfigException)
        {
            return null;
        }
    }

    /// <summary>Writes it into a folder of results.</summary>
    public void Write(string folder) => WholeFile.Write(Path.Combine(folder, FileName),
        stream => JsonSerializer.Serialize(stream, this, _json));
}
