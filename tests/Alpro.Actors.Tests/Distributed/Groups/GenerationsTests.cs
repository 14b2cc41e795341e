using Alpro.Actors.Distributed.Groups;

namespace Alpro.Actors.Tests.Distributed.Groups;

/// <summary>Numbers of groups, which several nodes give out.</summary>
public sealed class GenerationsTests : IDisposable
{
    private readonly TemporaryFolder _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Numbers_grow_whoever_gives_them_out()
    {
        Generations one = new(new(_run.Path)), other = new(new(_run.Path));
        Assert.Equal(0, one.Last());
        Assert.Equal([1, 2, 3], [one.Next(), other.Next(), one.Next()]);
        Assert.Equal((3, 3), (one.Last(), other.Last()));
    }

    [Fact]
    public async Task No_number_is_given_out_twice_to_those_who_ask_at_once()
    {
        IReadOnlyList<long>[] numbers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Ask(new(new(_run.Path))))));
        Assert.Equal(Enumerable.Range(1, 100).Select(number => (long)number), numbers.SelectMany(given => given).Order());

        static List<long> Ask(Generations generations)
        {
            var given = new List<long>();
            while (given.Count < 25)
            {
                given.Add(generations.Next());
                Assert.InRange(generations.Last(), given[^1], 100);      // which collides with nobody who is given one
            }
            return given;
        }
    }

    [Fact]
    public void File_that_holds_no_number_is_named()
    {
        File.WriteAllText(_run.File("generation"), "seven\n");
        var refusal = Assert.Throws<InvalidDataException>(() => new Generations(new(_run.Path)).Next());
        Assert.Contains($"{_run.File("generation")}: expected the number of the last group", refusal.Message, StringComparison.Ordinal);
    }
}
