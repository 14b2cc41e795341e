namespace Alpro.Training.Configuration;

/// <summary>One thing wrong with a configuration.</summary>
/// <param name="Path">Where it is, as in <c>training.batchSize</c> or <c>data.corpora[0].name</c>.</param>
/// <param name="Line">Line in the file, from 1; null where there is no line.</param>
/// <param name="Message">What is wrong, what was expected, what to do.</param>
public sealed record ConfigProblem(string Path, int? Line, string Message);

/// <summary>A configuration cannot be used: every problem at once, with file, line and path.</summary>
public sealed class ConfigException : Exception
{
    /// <summary>The problems of one file.</summary>
    public ConfigException(string file, IReadOnlyList<ConfigProblem> problems)
        : base(Describe(file, problems))
    {
        Problems = problems;
    }

    /// <summary>What is wrong, each with its place.</summary>
    public IReadOnlyList<ConfigProblem> Problems { get; }

    private static string Describe(string file, IReadOnlyList<ConfigProblem> problems) =>
        $"{file}: {(problems.Count == 1 ? "1 problem" : $"{problems.Count} problems")}"
        + string.Concat(problems.OrderBy(problem => problem.Line ?? int.MaxValue).Select(problem =>
            $"{Environment.NewLine}  "
            + $"{(problem.Line is { } line ? $"line {line}: " : "")}{(problem.Path.Length > 0 ? problem.Path + ": " : "")}{problem.Message}"));
}
