using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Places;

namespace Alpro.Training.Configuration;

/// <summary>The rules of the corpora that <c>data</c> names.</summary>
internal static class CorpusRules
{
    internal static void Check(this IReadOnlyList<CorpusConfig> corpora, string path, ConfigProblems problems)
    {
        for (int i = 0; i < corpora.Count; i++)
        {
            corpora[i].Check($"{path}[{i}]", problems);
            if (corpora.Take(i).Any(corpus => corpus.Name == corpora[i].Name))
                problems.Add($"{path}[{i}].name", $"is \"{corpora[i].Name}\", which another corpus has; expected a name of its own");
        }
    }

    internal static void Check(this CorpusConfig corpus, string path, ConfigProblems problems)
    {
        bool pattern = corpus.Annotations.AsSpan().ContainsAny('*', '?') || corpus.Format == AnnotationFormat.Tar;
        if (!pattern && !Place.IsRemote(corpus.Annotations) && !Directory.Exists(corpus.Annotations))
            problems.RequireFile(corpus.Annotations, $"{path}.annotations");
        if (corpus.Media is null || !Place.IsRemote(corpus.Media)) problems.RequireFolder(corpus.Media, $"{path}.media");
        corpus.Columns?.Check(corpus.Format, $"{path}.columns", problems);
        problems.Require(corpus.Weight == 1 || path.StartsWith("data.corpora", StringComparison.Ordinal), $"{path}.weight", corpus.Weight,
            "none: only the corpora of training are mixed");
        problems.Require(double.IsFinite(corpus.Weight) && corpus.Weight > 0, $"{path}.weight", corpus.Weight,
            "a weight above 0: its share of the steps is its part of the sum of all weights");
        problems.Require(corpus.MaxCaptionWords is null or >= 1, $"{path}.maxCaptionWords", corpus.MaxCaptionWords, "at least 1");
    }

    private static void Check(this CorpusColumns columns, AnnotationFormat format, string path, ConfigProblems problems)
    {
        if (format != AnnotationFormat.Auto && format != AnnotationFormat.Parquet)
            problems.Add(path, $"are given with the format {format}, which has columns of its own; expected one of the two");
        foreach ((string meaning, string column) in columns.ByMeaning())
            problems.Require(!string.IsNullOrWhiteSpace(column), $"{path}.{meaning}", "empty", "the name of a column");
    }
}
