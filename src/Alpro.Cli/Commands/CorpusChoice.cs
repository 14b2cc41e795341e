using Alpro.Actors;
using Alpro.Data.Corpora;
using Alpro.Training.Configuration;

namespace Alpro.Cli.Commands;

/// <summary>The corpora of a configuration that a command works on.</summary>
internal static class CorpusChoice
{
    /// <summary>The training, validation and test corpora, each once; or the one of a name.</summary>
    /// <param name="config">The configuration's file.</param>
    /// <param name="name">The name; null for all.</param>
    /// <exception cref="UsageException">There is none of the name.</exception>
    public static IReadOnlyList<CorpusConfig> Of(string config, string? name)
    {
        IReadOnlyList<CorpusConfig> corpora = ConfigLoader.LoadForCorpora(config).Data.AllCorpora();
        if (name is null) return corpora;
        return corpora.FirstOrDefault(corpus => corpus.Name == name) is { } only ? [only] : throw new UsageException(
            $"There is no corpus {name}; there are {string.Join(", ", corpora.Select(corpus => corpus.Name))}.");
    }
}
