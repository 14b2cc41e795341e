namespace Alpro.Training.Configuration;

/// <summary>Gathers what is wrong with a configuration, so that it can be said at once.</summary>
internal sealed class ConfigProblems
{
    private readonly List<ConfigProblem> _problems = [];

    /// <summary>The line of every key in the file, by path; empty where the text is not a person's.</summary>
    public IReadOnlyDictionary<string, int> Lines { get; set; } = new Dictionary<string, int>();

    /// <summary>Paths that the command line set.</summary>
    public List<string> Overridden { get; } = [];

    /// <summary>Notes a problem at a path, at the line of it or of the nearest key above it.</summary>
    public void Add(string path, string message)
    {
        if (Overridden.Any(set => path == set || path.StartsWith(set + ".", StringComparison.Ordinal))) AddOverride(path, message);
        else _problems.Add(new(path, LineOf(path), message));
    }

    /// <summary>Notes a problem of the command line.</summary>
    public void AddOverride(string path, string message) => _problems.Add(new($"--set {path}".TrimEnd(), null, message));

    /// <summary>Notes a problem unless a value is as it should be.</summary>
    public void Require(bool fine, string path, object? value, string expected)
    {
        if (!fine) Add(path, FormattableString.Invariant($"is {value ?? "null"}; expected {expected}"));
    }

    /// <summary>Notes a file that is named and not there.</summary>
    public void RequireFile(string? file, string path)
    {
        if (file is not null && !File.Exists(file)) Add(path, $"there is no file {file}{FileSources.Advice(path, file)}");
    }

    /// <summary>Notes a folder that is named and not there.</summary>
    public void RequireFolder(string? folder, string path)
    {
        if (folder is not null && !Directory.Exists(folder)) Add(path, $"there is no folder {folder}{FileSources.Advice(path, folder)}");
    }

    /// <summary>Ends the reading of a configuration that has problems.</summary>
    /// <exception cref="ConfigException">There are some.</exception>
    public void ThrowIfAny(string file)
    {
        if (_problems.Count > 0) throw new ConfigException(file, _problems);
    }

    private int? LineOf(string path)
    {
        if (Lines.Count == 0) return null;
        int line;
        while (!Lines.TryGetValue(path, out line)) path = path[..Math.Max(0, path.LastIndexOfAny(['.', '[']))];
        return line;
    }
}
