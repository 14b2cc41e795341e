
namespace Alpro.Training.Configuration;

/// <summary>Where the files that a configuration names come from: who publishes them, or which command makes them.</summary>
internal static class FileSources
{
    private const string Alpro = "https://github.com/salesforce/ALPRO", Bert = "https://huggingface.co/google-bert/bert-base-uncased";

    /// <summary>By the setting that names the file.</summary>
    private static readonly Dictionary<string, string> _bySetting = new()
    {
        ["data.vocabulary"] = $"BERT's vocabulary is vocab.txt of {Bert}",
        ["data.entities"] = "'alpro entities --config FILE' makes it",
        ["data.answers"] = $"the paper's answers are in data.zip, which {Alpro} links; 'alpro prepare answers --config FILE' makes yours",
        ["initialize.checkpoint"] = $"the paper's weights are in output.zip, which {Alpro} links; 'alpro pretrain' trains others",
        ["initialize.prompter"] = "train it first: 'alpro pretrain --config config/prompter.json'",
        ["initialize.vision"] = "a ViT-B/16 is https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/"
            + "jx_vit_base_p16_224-80ecf9dd.pth",
        ["initialize.text"] = $"BERT's weights are pytorch_model.bin of {Bert}",
    };

    /// <summary>Of the paper's datasets: the beginning of their folders' names, and who publishes annotations and media.</summary>
    private static readonly (string Name, string Annotations, string Media)[] _datasets =
    [
        ("webvid", "WebVid is described at https://github.com/m-bain/webvid", "WebVid is described at https://github.com/m-bain/webvid"),
        ("cc3m", "CC3M is at https://ai.google.com/research/ConceptualCaptions/download",
            "CC3M's annotations list the addresses of its images"),
        ("msrvtt", $"MSR-VTT's annotations are in data.zip, which {Alpro} links", $"{Alpro} links MSR-VTT's videos"),
        ("didemo", $"DiDeMo's annotations are in data.zip, which {Alpro} links",
            "DiDeMo's videos are at https://github.com/LisaAnne/LocalizingMoments"),
        ("msvd", $"MSVD's annotations are in data.zip, which {Alpro} links",
            "MSVD's videos are https://www.cs.utexas.edu/users/ml/clamp/videoDescription/YouTubeClips.tar"),
    ];

    /// <summary>What to add to the message that a file or folder is absent: <c>; </c> and where it comes from, or nothing.</summary>
    /// <param name="setting">The setting that names it, such as <c>data.vocabulary</c> or <c>data.corpora[0].media</c>.</param>
    /// <param name="path">The full path.</param>
    public static string Advice(string setting, string path)
    {
        if ($"{path}/".Contains("/out/demo/", StringComparison.Ordinal)) return "; scripts/demo makes it";
        if (_bySetting.TryGetValue(setting, out string? source)) return $"; {source}";
        (_, string? annotations, string? media) =
            _datasets.FirstOrDefault(dataset => path.Contains($"/{dataset.Name}", StringComparison.OrdinalIgnoreCase));
        return annotations is null ? "" : $"; {(setting.EndsWith(".media", StringComparison.Ordinal) ? media : annotations)}";
    }
}
