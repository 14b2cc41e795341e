using Alpro.Training.Configuration;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public sealed class DataParityTests
{
    [Fact]
    public void Frames_and_augmented_pixels_are_golden()
    {
        ParityRow[] rows = [.. DataParity.Check(Path.Combine(Locations.Golden, "data"))];
        Assert.Equal(2, rows.Length);
        Assert.All(rows, row => Assert.True(row.Passed && row.WorstAbsolute == 0, $"{row.Item}: {row.Detail}"));
        Assert.Equal(60, rows[1].Cases);
    }

    [SharedFact]
    public void All_golden_frame_choices_are_equal() =>
        Assert.All(DataParity.Check(Path.Combine(Locations.Shared, "golden", "data")), row => Assert.True(row.Passed, row.Detail));

    [Fact]
    public void Another_frame_choice_fails_its_row()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("data"));
        File.Copy(Path.Combine(Locations.Golden, "data", "randaugment.safetensors"), folder.File("data/randaugment.safetensors"));
        File.WriteAllText(folder.File("data/frame_indices.json"),
            """[{"vlen": 9, "num_frm": 2, "uniform": [0, 4], "nlvl_uniform": [0, 5]}]""");
        ParityRow row = DataParity.Check(Path.Combine(folder.Path, "data")).First();
        Assert.False(row.Passed);
        Assert.Equal(1, row.WorstAbsolute);
        Assert.Contains("NlvlUniform, 2 of 9 frames: 0 4, not 0 5", row.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_pixels_fail_their_row()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("data"));
        File.Copy(Path.Combine(Locations.Golden, "data", "frame_indices.json"), folder.File("data/frame_indices.json"));
        byte[] file = File.ReadAllBytes(Path.Combine(Locations.Golden, "data", "randaugment.safetensors"));
        file.AsSpan(^2000..).Clear();
        File.WriteAllBytes(folder.File("data/randaugment.safetensors"), file);
        ParityRow row = DataParity.Check(Path.Combine(folder.Path, "data")).Last();
        Assert.False(row.Passed);
        Assert.Contains("img2/M7/HorizontalFlip", row.Detail, StringComparison.Ordinal);
    }
}
