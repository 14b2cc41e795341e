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
        if (!pattern && !Place.IsRemote(corpus.Annotations) && !Directory.Exists(corpus.Annotations)) problems.RequireFile(corpus.Annotations, $"{path}.annotations");
        if (corpus.Media is null || !Place.IsRemote(corpus.Media)) problems.RequireFolder(corpus.Media, $"{path}.media");
        problems.Require(corpus.MaxCaptionWords is null or >= 1, $"{path}.maxCaptionWords", corpus.MaxCaptionWords, "at least 1");
    }
}
