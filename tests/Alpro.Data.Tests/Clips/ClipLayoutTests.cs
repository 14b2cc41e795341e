using Alpro.Data.Clips;

namespace Alpro.Data.Tests.Clips;

public class ClipLayoutTests
{
    private static readonly ClipSettings _settings = new()
    {
        Frames = 2,
        Size = 8,
        DecodeSize = 8,
        TextLength = 5,
        MaskProbability = 0.15,
        RegionPatch = 4,
    };

    [Fact]
    public void Fields_lie_side_by_side_and_those_that_the_settings_leave_out_take_no_room()
    {
        using var all = new Clip(new(0, 0, 0, 0, 0, 0), new(_settings));
        using var some = new Clip(new(0, 0, 0, 0, 0, 0), new(_settings with { MaskProbability = 0, RegionPatch = 0 }));
        Assert.Equal((3 + 4 + 3 * 5, 3 + 5), (all.Numbers.Length, some.Numbers.Length));
        foreach (ClipField field in ClipLayout.Fields)
        {
            all[field].Fill(field.Index + 1);
            if (!some.Layout.Has(field)) Assert.Equal(0, some[field].Length);
        }
        Assert.Equal(ClipLayout.Fields.SelectMany(field => Enumerable.Repeat(field.Index + 1, all[field].Length)), all.Numbers);
        Assert.Equal(-1, some.Answer);
    }

    [Fact]
    public void Clips_of_other_settings_do_not_match()
    {
        var layout = new ClipLayout(_settings);
        Assert.True(layout.Matches(new(_settings with { Augment = Augmentation.Pretrain })));
        ClipSettings[] others =
        [
            _settings with { Frames = 3 }, _settings with { Size = 4 }, _settings with { TextLength = 6 },
            _settings with { MaskProbability = 0 }, _settings with { RegionPatch = 0 },
        ];
        foreach (ClipSettings other in others) Assert.False(layout.Matches(new(other)));
    }

    [Fact]
    public void Names_of_fields_are_their_own() => Assert.Equal(ClipLayout.Fields.Length,
    ClipLayout.Fields.DistinctBy(field => field.Name).Count());
}
