using Alpro.Data.Corpora;
using Alpro.Training.Configuration;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>The training corpora of a configuration, for commands that make lists of their texts: no media file need be there.</summary>
internal static class ConfiguredCorpora
{
    /// <summary>Opens them, and shows progress over their rows.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="work">What is done with them; it is told where to report the rows that are done.</param>
    public static T Read<T>(RunConfig config, Func<IReadOnlyList<VideoTextCorpus>, IProgress<long>, T> work)
    {
        List<VideoTextCorpus> corpora = [];
        try
        {
            foreach (CorpusConfig corpus in config.Data.Corpora)
                corpora.Add(VideoTextCorpus.Open(corpus with { Missing = MissingMedia.Lazy }));
            return CommandLine.Error.Progress().Start(display =>
            {
                ProgressTask task = display.AddTask("captions", maxValue: Math.Max(corpora.Sum(corpus => corpus.Count), 1));
                T made = work(corpora, new Progress<long>(rows => task.Value = rows));
                task.Value = task.MaxValue;
                return made;
            });
        }
        finally
        {
            corpora.ForEach(corpus => corpus.Dispose());
        }
    }

    /// <summary>The rows of corpora, one after another.</summary>
    public static IEnumerable<VideoTextPair> Rows(
        IReadOnlyList<VideoTextCorpus> corpora, IProgress<long> progress, CancellationToken cancellation)
    {
        long done = 0;
        foreach (VideoTextCorpus corpus in corpora)
        {
            for (long row = 0; row < corpus.Count; row++)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return corpus[row];
                if (++done % 10_000 == 0) progress.Report(done);
            }
        }
    }
}
