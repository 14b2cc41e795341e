using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

public sealed class FileTurnTests : IDisposable
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(50), _long = TimeSpan.FromMinutes(1);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void One_has_the_turn_at_a_time()
    {
        string file = _folder.File("lock");
        int inside = 0;
        Parallel.For(0, 40, new() { MaxDegreeOfParallelism = 8 }, _ =>
        {
            using FileStream turn = FileTurn.Take(file, _long);
            Assert.Equal(1, Interlocked.Increment(ref inside));
            Thread.Yield();
            Interlocked.Decrement(ref inside);
        });
    }

    [Fact]
    public void Who_waits_in_vain_is_told_the_file()
    {
        string file = _folder.File("lock");
        using (FileTurn.Take(file, _short))
            Assert.Contains(file, Assert.Throws<IOException>(() => FileTurn.Take(file, _short)).Message, StringComparison.Ordinal);
        FileTurn.Take(file, _short).Dispose();
    }
}
