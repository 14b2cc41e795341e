using Alpro.Data.Corpora.Annotations;

namespace Alpro.Data.Corpora;

/// <summary>When missing media files are found.</summary>
public enum MissingMedia
{
    /// <summary>When the corpus opens: missing files are counted and never asked for.</summary>
    Check,

    /// <summary>When a row is visited: a missing file is an unreadable clip.</summary>
    Lazy,
}

/// <summary>One corpus of a run's configuration (<c>data.corpora[]</c>).</summary>
public sealed record CorpusConfig
{
    /// <summary>The corpus's name in messages and records.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The annotation file (the shard folder or glob, for tar): a path relative to the configuration file, <c>http(s)://…</c> or
    /// <c>s3://bucket/key</c>.
    /// </summary>
    public required string Annotations { get; init; }

    /// <summary>Folder of the media files, a path or address as above; not used by tar shards.</summary>
    public string? Media { get; init; }

    /// <summary>The annotation format.</summary>
    public AnnotationFormat Format { get; init; } = AnnotationFormat.Auto;

    /// <summary>Which columns mean what, of an annotation file with names of its own; null for a format's names.</summary>
    public CorpusColumns? Columns { get; init; }

    /// <summary>The corpus's part in the mixture: its share of the training steps is its weight over the sum of all weights.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>
    /// File extension of the media where the annotation names none, such as <c>.mp4</c> or <c>.avi</c>; null for the format's own.
    /// </summary>
    public string? MediaExtension { get; init; }

    /// <summary>Rows whose caption has this many words or more are left out, as the reference does for WebVid; null keeps all.</summary>
    public int? MaxCaptionWords { get; init; }

    /// <summary>When missing media files are found. A web server cannot list its files: there it is when a row is visited.</summary>
    public MissingMedia Missing { get; init; } = MissingMedia.Check;
}
