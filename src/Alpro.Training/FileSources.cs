namespace Alpro.Training;

/// <summary>Where the files that a configuration names come from: who publishes them, or which command makes them.</summary>
internal static class FileSources
{
    private const string Alpro = "https://github.com/salesforce/ALPRO", Bert = "https://huggingface.co/google-bert/bert-base-uncased";

    /// <summary>By the setting that names the file.</summary>
    private static readonly Dictionary<string, string> _bySetting = new()
    {
        ["data.vocabulary"] = $"BERT's vocabulary is vocab.txt of {Bert}",
        ["data.entities"] = "'alpro entities --config FILE' makes it",
        ["data.answers"] = $"the paper's answers are in data.zip, which {Alpro} links",
        ["initialize.checkpoint"] = $"the paper's weights are in output.zip, which {Alpro} links; 'alpro pretrain' trains others",
        ["initialize.prompter"] = "train it first: 'alpro pretrain --config config/prompter.json'",
        ["initialize.vision"] = "a ViT-B/16 is https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth",
        ["initialize.text"] = $"BERT's weights are pytorch_model.bin of {Bert}",
    };

    /// <summary>By the dataset's name in the path of annotations or media.</summary>
    private static readonly (string Name, string Source)[] _byDataset =
    [
        ("webvid", "WebVid is described at https://github.com/m-bain/webvid"),
        ("cc3m", "CC3M is at https://ai.google.com/research/ConceptualCaptions/download"),
        ("msrvtt", $"{Alpro} links MSR-VTT: its annotations (data.zip) and videos"),
        ("didemo", $"{Alpro} links DiDeMo's annotations (data.zip); the videos are at https://github.com/LisaAnne/LocalizingMoments"),
        ("msvd", $"{Alpro} links MSVD's annotations (data.zip); the videos are https://www.cs.utexas.edu/users/ml/clamp/videoDescription/YouTubeClips.tar"),
    ];

    /// <summary>What to add to the message that a file or folder is absent: <c>; </c> and where it comes from, or nothing.</summary>
    /// <param name="setting">The setting that names it, such as <c>data.vocabulary</c> or <c>data.corpora[0].media</c>.</param>
    /// <param name="path">The full path.</param>
    public static string Advice(string setting, string path)
    {
        if (path.Contains(Path.Combine("out", "demo") + Path.DirectorySeparatorChar, StringComparison.Ordinal)) return "; scripts/demo makes it";
        if (_bySetting.TryGetValue(setting, out string? source)) return $"; {source}";
        string[] folders = path.Split(Path.DirectorySeparatorChar);
        source = _byDataset.FirstOrDefault(dataset => folders.Any(folder => folder.StartsWith(dataset.Name, StringComparison.OrdinalIgnoreCase))).Source;
        return source is null ? "" : $"; {source}";
    }
}
