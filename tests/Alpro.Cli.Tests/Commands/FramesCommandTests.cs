using System.Diagnostics;
using System.IO.Hashing;
using System.Text.Json;
using Alpro.Data.Clips;
using Alpro.Data.Media;

namespace Alpro.Cli.Tests.Commands;

public sealed class FramesCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static (int Code, string Output, string Errors) Run(string command, params string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.GetAwaiter().GetResult());
    }

    private static (int Code, string Output, string Errors) Frames(params string[] arguments) =>
        Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "alpro.dll"), "frames", .. arguments]);

    private string Clip()
    {
        string path = _folder.File("clip.mp4");
        Assert.Equal(0, Run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10", "-t", "3", "-pix_fmt", "yuv420p",
            path).Code);
        return path;
    }

    [Fact]
    public void Frames_are_written_in_the_order_asked_for()
    {
        string clip = Clip(), file = _folder.File("frames.safetensors");
        (int code, string output, string errors) = Frames(clip, "--indices", "20,3,3", "--size", "native", "--out", file, "--json");
        Assert.True(code == 0, errors);
        using JsonDocument report = JsonDocument.Parse(output);
        Assert.Equal(30, report.RootElement.GetProperty("totalFrames").GetInt32());
        Assert.Equal([20, 3, 3], report.RootElement.GetProperty("indices").EnumerateArray().Select(i => i.GetInt32()));

        var expected = new byte[2 * 64 * 96 * 3];
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
        reader.Open(new MediaSource(clip));
        reader.Read([3, 20], 96, 64, ResizeFilter.Bilinear, expected);
        byte[] written = File.ReadAllBytes(file);
        Assert.Contains("\"shape\":[3,64,96,3]", System.Text.Encoding.UTF8.GetString(written, 8, 100));
        int frame = 64 * 96 * 3;
        Assert.Equal([.. expected[frame..], .. expected[..frame], .. expected[..frame]], written[^(3 * frame)..]);
    }

    [Fact]
    public void Wrong_input_is_named_and_exits_with_2()
    {
        string clip = Clip(), file = _folder.File("frames.safetensors");
        foreach ((string[] arguments, string words) in new (string[], string)[]
        {
            ([clip, "--out", file], "--frames"),
            ([clip, "--frames", "2", "--indices", "1", "--out", file], "--frames"),
            ([clip, "--indices", "30", "--out", file], "30 frames"),
            ([clip, "--frames", "2", "--size", "big", "--out", file], "native"),
            ([_folder.File("absent.mp4"), "--frames", "2", "--out", file], "absent.mp4: it is not there"),
        })
        {
            (int code, _, string errors) = Frames(arguments);
            Assert.Equal(2, code);
            Assert.Contains(words, errors);
            Assert.False(File.Exists(file));
        }
    }

    [SharedFact]
    public void Golden_frames_come_out_of_the_command()
    {
        string clip = Path.Combine(Locations.Shared, "data", "webvid-sample", "videos", "1009929137.mp4"),
            file = _folder.File("frames.safetensors");
        (int code, _, string errors) = Frames(clip, "--frames", "8", "--strategy", "nlvl_uniform", "--out", file);
        Assert.True(code == 0, errors);
        Assert.Equal("57fcd2cb", Crc32.HashToUInt32(File.ReadAllBytes(file).AsSpan()[^(8 * 224 * 224 * 3)..]).ToString("x8"));
    }
}
