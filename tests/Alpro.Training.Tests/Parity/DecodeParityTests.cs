using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public sealed class DecodeParityTests
{
    [SharedFact]
    public void Golden_frames_are_equal_byte_for_byte()
    {
        ParityRow[] rows = [.. DecodeParity.Compare(Path.Combine(Locations.Shared, "golden", "data", "decode.json"),
            Path.Combine(Locations.Shared, "data", "webvid-sample", "videos"))];
        Assert.Equal(2, rows.Length);
        Assert.All(rows, row => Assert.True(row.Passed, $"{row.Item}: {row.Detail}"));
        Assert.All(rows, row => Assert.True(row.Cases == 144 && row.WorstAbsolute <= 1e-4,
            $"{row.Item}: {row.Cases} frames, means off by {row.WorstAbsolute}"));
    }

    [SharedFact]
    public void A_clip_that_is_not_there_fails_its_row()
    {
        ParityRow[] rows = [.. DecodeParity.Compare(Path.Combine(Locations.Shared, "golden", "data", "decode.json"), Path.GetTempPath())];
        Assert.All(rows, row => Assert.False(row.Passed));
    }
}
