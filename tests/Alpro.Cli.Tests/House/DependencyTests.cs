using Alpro.Tests.Support.House;
using Xunit.Abstractions;

namespace Alpro.Cli.Tests.House;

/// <summary>The house stands as it was drawn: references between projects and between rooms (namespaces) point one way.</summary>
public sealed class DependencyTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>The projects, lowest first: each may use those before it.</summary>
    private static readonly string[] _storeys = ["Alpro.Data", "Alpro.Model", "Alpro.Training", "Alpro.Actors", "Alpro.Web", "alpro"];

    private readonly Dependencies _dependencies = new(_storeys.Select(name => Path.Combine(AppContext.BaseDirectory, $"{name}.dll")));

    public void Dispose() => _dependencies.Dispose();

    [Fact]
    public void Rooms_form_no_circle()
    {
        foreach (((string from, string to), SortedSet<string> uses) in _dependencies.Arrows) output.WriteLine(
            $"{from} --> {to}: {string.Join(", ", uses.Take(4))}");
        Assert.Empty(_dependencies.Circles().Select(circle => string.Join(" <-> ", circle)));
    }

    [Fact]
    public void No_project_refers_to_one_above_it() =>
        Assert.All(_dependencies.Projects, reference =>
        Assert.True(Array.IndexOf(_storeys, reference.From) > Array.IndexOf(_storeys, reference.To), $"{reference}"));

    [Fact]
    public void Data_and_model_know_nothing_of_each_other() =>
        Assert.DoesNotContain(_dependencies.Projects,
        reference => reference is ("Alpro.Data", "Alpro.Model") or ("Alpro.Model", "Alpro.Data"));
}
