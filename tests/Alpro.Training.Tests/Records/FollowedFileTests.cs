using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

public sealed class FollowedFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<long> _steps = [];
    private readonly FollowedFile<ValidationRecord> _file;

    public FollowedFileTests() => _file = new(_folder.File("validation.jsonl"), record => _steps.Add(record.Step), _steps.Clear);

    public void Dispose() => _folder.Dispose();

    private void Write(params long[] steps) => File.WriteAllText(_folder.File("validation.jsonl"), string.Concat(steps.Select(Line)));

    private static string Line(long step) => $"{{\"step\":{step},\"score\":{step},\"figures\":{{}},\"seconds\":1}}\n";

    private long[] Look()
    {
        _file.Look();
        return [.. _steps];
    }

    [Fact]
    public void Each_look_reads_what_has_come_and_waits_for_the_end_of_a_line()
    {
        Assert.Empty(Look());
        Write(1, 2);
        Assert.Equal([1, 2], Look());
        File.AppendAllText(_folder.File("validation.jsonl"), Line(3)[..9]);
        Assert.Equal([1, 2], Look());
        File.AppendAllText(_folder.File("validation.jsonl"), Line(3)[9..] + Line(4));
        Assert.Equal([1, 2, 3, 4], Look());
        Assert.Equal([1, 2, 3, 4], Look());
    }

    [Theory]
    [InlineData(new long[] { 1 }, "shorter")]
    [InlineData(new long[] { 1, 2, 4, 5 }, "longer, with another line where the last one was")]
    [InlineData(new long[] { 100, 200, 300 }, "longer, and that place is within a line")]
    public void File_that_was_cut_is_read_anew(long[] now, string how)
    {
        Write(1, 2, 3);
        Look();
        Write(now);
        Assert.True(now.SequenceEqual(Look()), how);
    }
}
