using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Search;
using Alpro.Data.Corpora;
using Alpro.Training.Configuration;

namespace Alpro.Cli.Commands;

/// <summary>The videos that a command line names to be indexed.</summary>
internal static class VideosChoice
{
    /// <summary>All below a folder, the test corpus of a configuration, or a packed corpus.</summary>
    /// <param name="target">The model.</param>
    /// <param name="given">The folder, the configuration, or the packed corpus's index.</param>
    /// <param name="corpus">The corpus of this name of the configuration; null for that of its test.</param>
    /// <param name="data">A folder to look in for the vocabulary and the corpus first; null for none.</param>
    /// <exception cref="UsageException">There is no such folder, file or corpus.</exception>
    public static IndexedVideos Of(EvaluationTarget target, string given, string? corpus, string? data)
    {
        bool isFolder = Directory.Exists(given);
        if (!isFolder && !File.Exists(given))
            throw new UsageException($"{given}: there is no such folder; expected one with videos, or a configuration");
        if (isFolder && corpus is not null)
            throw new UsageException($"--corpus names a corpus of a configuration, and {given} is a folder");
        return new(target, given) { Corpus = isFolder ? null : CorpusOf(given, corpus), Data = data };
    }

    private static CorpusConfig CorpusOf(string file, string? name)
    {
        if (!file.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            return new() { Name = name ?? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file)))!, Annotations = file };
        if (name is not null) return CorpusChoice.Of(file, name)[0];
        return ConfigLoader.LoadForCorpora(file).Data.Test
            ?? throw new UsageException($"{file}: has no data.test; name one of its corpora with --corpus");
    }
}
