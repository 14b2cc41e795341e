using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Media;

/// <summary>Frame i is the same picture whichever way it is reached, and the picture the ffmpeg command shows as its i-th.</summary>
public sealed class FrameExactnessTests : IDisposable
{
    private const int Width = 64, Height = 48, FrameBytes = Width * Height * 3;
    private readonly VideoReader _reader = new(new DecodeLimits { Deadline = TimeSpan.FromMinutes(1) });

    public void Dispose() => _reader.Dispose();

    public static TheoryData<string> SharedFiles => Directory.Exists(Locations.Shared)
        ? [.. Directory.EnumerateFiles(Path.Combine(Locations.Shared, "data"), "*.m*", SearchOption.AllDirectories)
        .Where(f => !f.EndsWith(".md") && !f.EndsWith("corrupted.mp4")).Select(f => Path.GetRelativePath(Locations.Shared, f)).Order()]
        : ["none"];

    [Theory, MemberData(nameof(TestVideos.Names), MemberType = typeof(TestVideos))]
    public void Every_kind_of_clip(string kind) => Check(TestVideos.Get(kind));

    [SharedTheory, MemberData(nameof(SharedFiles))]
    public void Every_real_clip(string file) => Check(Path.Combine(Locations.Shared, file));

    private void Check(string path)
    {
        byte[] expected = TestVideos.DecodeByCommand(path, Width, Height, "bilinear");
        int count = _reader.Open(new MediaSource(path)).FrameCount;
        Assert.Equal(expected.Length / FrameBytes, count);

        var all = new byte[count * FrameBytes];
        _reader.Read([.. Enumerable.Range(0, count)], Width, Height, ResizeFilter.Bilinear, all);
        AssertSame(expected, all, [.. Enumerable.Range(0, count)]);

        var random = new SeededRandom(7);
        for (int attempt = 0; attempt < (count > 200 ? 9 : 24); attempt++)
        {
            int wanted = attempt % 2 == 0 ? 1 : 2 + random.NextInt32(5);
            int[] indices = [.. Enumerable.Range(0, wanted).Select(_ => random.NextInt32(count)).Order()];
            var frames = new byte[wanted * FrameBytes];
            if (attempt % 3 == 0) _reader.Open(new MediaSource(path));
            _reader.Read(indices, Width, Height, ResizeFilter.Bilinear, frames);
            AssertSame([.. indices.SelectMany(i => expected[(i * FrameBytes)..((i + 1) * FrameBytes)])], frames, indices);
        }
    }

    private static void AssertSame(byte[] expected, byte[] actual, int[] indices)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            Range range = (i * FrameBytes)..((i + 1) * FrameBytes);
            if (expected.AsSpan(range).SequenceEqual(actual.AsSpan(range))) continue;
            int worst = Enumerable.Range(0, FrameBytes).Max(b => Math.Abs(expected[i * FrameBytes + b] - actual[i * FrameBytes + b]));
            Assert.Fail($"frame {indices[i]} (number {i} of {indices.Length} asked for) differs by up to {worst}");
        }
    }
}
