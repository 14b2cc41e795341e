using Alpro.Training.Configuration;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public class CheckpointParityTests
{
    private static string Golden => Path.Combine(Locations.Golden, "checkpoints");

    [Fact]
    public void Golden_checkpoints_are_read_equal_or_refused()
    {
        IReadOnlyList<ParityRow> rows = CheckpointParity.Check(Golden);
        Assert.Equal(12, rows.Count);
        Assert.All(rows, row => Assert.True(row.Passed, $"{row.Item}: {row.Detail}"));
        Assert.Equal(16, rows.Single(row => row.Item == "wrapped_state_dict.pt").Cases);
    }

    [Fact]
    public void A_sound_file_among_the_broken_and_a_broken_one_among_the_sound_fail()
    {
        using var folder = new TemporaryFolder();
        foreach (string name in (string[])["dtypes_expected.safetensors", "dtypes_zip.pt"])
            File.Copy(Path.Combine(Golden, name), folder.File(name));
        File.Copy(Path.Combine(Golden, "restore.pt"), folder.File("malicious.pt"));
        File.Copy(Path.Combine(Golden, "truncated_zip.pt"), folder.File("wrapped.pt"));

        Dictionary<string, bool> passed = CheckpointParity.Check(folder.Path).ToDictionary(row => row.Item, row => row.Passed);

        Assert.Equal(new() { ["dtypes_zip.pt"] = true, ["malicious.pt"] = false, ["wrapped.pt"] = false }, passed);
        Assert.Empty(CheckpointParity.Check(Path.GetDirectoryName(Golden)!));
    }
}
