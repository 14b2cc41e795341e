namespace Alpro.Data.Corpora;

/// <summary>The annotation formats that are read.</summary>
public enum CorpusFormat
{
    /// <summary>Told from the file's name and first bytes.</summary>
    Auto,

    /// <summary>WebVid's CSV: columns <c>videoid</c> and <c>name</c>; video = <c>[page_dir/]videoid.mp4</c>.</summary>
    WebvidCsv,

    /// <summary>A JSON list of <c>{"image": path, "caption": text or list of texts}</c>.</summary>
    Cc3mJson,

    /// <summary>Conceptual Captions' own TSV, <c>caption TAB url</c>, with a folder of images named by row.</summary>
    Cc3mTsv,

    /// <summary>JSON lines of <c>{"clip_name", "caption"}</c>; video = <c>clip_name.mp4</c>.</summary>
    RetrievalJsonl,

    /// <summary>JSON lines of <c>{"video_id", "question", "answer", "answer_type"}</c>; video = <c>video_id.mp4</c>.</summary>
    QuestionAnswerJsonl,

    /// <summary>A parquet file with the columns of any of the above.</summary>
    Parquet,

    /// <summary>A folder or glob of WebDataset-style tar shards.</summary>
    Tar,
}

/// <summary>When absent media files are found.</summary>
public enum MissingMedia
{
    /// <summary>When the corpus opens: absent files are counted and never asked for.</summary>
    Check,

    /// <summary>When a row is visited: an absent file is an unreadable clip.</summary>
    Lazy,
}

/// <summary>One corpus of a run's configuration (<c>data.corpora[]</c>).</summary>
public sealed record CorpusConfig
{
    /// <summary>The corpus's name in messages and records.</summary>
    public required string Name { get; init; }

    /// <summary>Path of the annotation file (of the shard folder or glob, for tar), relative to the configuration file.</summary>
    public required string Annotations { get; init; }

    /// <summary>Folder of the media files, relative to the configuration file; not used by tar shards.</summary>
    public string? Media { get; init; }

    /// <summary>The annotation format.</summary>
    public CorpusFormat Format { get; init; } = CorpusFormat.Auto;

    /// <summary>File extension of the media where the annotation names none, such as <c>.mp4</c> or <c>.avi</c>; null for the format's own.</summary>
    public string? MediaExtension { get; init; }

    /// <summary>Rows whose caption has this many words or more are left out, as the reference does for WebVid; null keeps all.</summary>
    public int? MaxCaptionWords { get; init; }

    /// <summary>When absent media files are found.</summary>
    public MissingMedia Missing { get; init; } = MissingMedia.Check;
}
