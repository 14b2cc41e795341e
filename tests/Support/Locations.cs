using System.Runtime.CompilerServices;

namespace Alpro.Tests.Support;

/// <summary>Where tests find the repository, its fixtures, and the shared folder that not every checkout has.</summary>
public static class Locations
{
    /// <summary>The repository's root folder.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    /// <summary>The folder of golden files kept with the project.</summary>
    public static string Golden => Path.Combine(Root, "tests", "fixtures", "golden");

    /// <summary>The folder of real clips and golden files beside the checkout, or ALPRO_SHARED; may be absent.</summary>
    public static string Shared { get; } = Environment.GetEnvironmentVariable("ALPRO_SHARED")
        ?? Path.GetFullPath(Path.Combine(Root, "..", "shared"));

    private static string ThisFile([CallerFilePath] string path = "") => path;
}

/// <summary>A fact that needs the shared folder: skipped, with a message, where it is absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute()
    {
        if (!Directory.Exists(Locations.Shared)) Skip = $"needs {Locations.Shared} (set ALPRO_SHARED to point elsewhere)";
    }
}

/// <summary>A theory that needs the shared folder: skipped, with a message, where it is absent.</summary>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute()
    {
        if (!Directory.Exists(Locations.Shared)) Skip = $"needs {Locations.Shared} (set ALPRO_SHARED to point elsewhere)";
    }
}

/// <summary>A temporary folder, removed with everything in it at the end of the test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("alpro-test-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
