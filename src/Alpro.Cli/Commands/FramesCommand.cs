using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;
using Spectre.Console;
using static TorchSharp.torch;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro frames</c>: decodes chosen frames of a video or image and writes them as a tensor.</summary>
internal static class FramesCommand
{
    private const int Native = 0;

    private sealed record Report(string Video, int[] Indices, int TotalFrames, double FramesPerSecond, int Width, int Height, int Rotation,
        int OutputWidth, int OutputHeight, double Milliseconds);

    public static Command Create()
    {
        var video = new Argument<string>("VIDEO") { Description = "The video or image." };
        var frames = new Option<int?>("--frames") { Description = "Choose this many frames." };
        var strategy = new Option<string>("--strategy") { Description = "How to choose them.", DefaultValueFactory = _ => "uniform" };
        strategy.AcceptOnlyFromAmong([.. Enum.GetNames<FrameStrategy>()
            .SelectMany(name => new[] { JsonNamingPolicy.KebabCaseLower.ConvertName(name),
            JsonNamingPolicy.SnakeCaseLower.ConvertName(name) }).Distinct()]);
        var seed = new Option<ulong>("--seed") { Description = "Seed of the random strategies." };
        var indices = new Option<int[]>("--indices")
        {
            Description = "Or take these frames, numbered from 0 in display order: 0,10,20.",
            CustomParser = ParseIndices,
        };
        var size = new Option<int>("--size")
        {
            Description = "Side in pixels, aspect ratio ignored; 'native' keeps the video's size.",
            CustomParser = ParseSize,
            DefaultValueFactory = _ => 224,
        };
        var resize = new Option<ResizeFilter>("--resize") { Description = "Interpolation: bilinear or bicubic." };
        var output = new Option<string>("--out") { Description = "File to write: 'frames' [T,H,W,3], uint8, RGB.", Required = true };
        var command = new Command("frames", CommandLine.Describe(
            "Decode chosen frames of a video or image and write them as a safetensors file.",
            "alpro frames clip.mp4 --frames 8 --strategy uniform --size 224 --out frames.safetensors")) { video, frames, strategy, seed,
            indices, size, resize, output };
        CommandLine.Between(frames, 1);
        command.Validators.Add(result =>
        {
            bool counted = result.GetResult(frames) is not null, listed = result.GetResult(indices) is not null;
            if (counted == listed) result.AddError("Give either --frames K or --indices a,b,c.");
        });
        command.SetAction(arguments =>
        {
            var how = Enum.Parse<FrameStrategy>(arguments.GetValue(strategy)!.Replace("-", "").Replace("_", ""), ignoreCase: true);
            int[] Choose(int total) => arguments.GetValue(frames) is { } count ? Sample(how, count, total, arguments.GetValue(seed))
                : arguments.GetValue(indices)!;
            Report report = Run(arguments.GetValue(video)!, Choose, arguments.GetValue(size), arguments.GetValue(resize),
                arguments.GetValue(output)!);
            CommandLine.Result(arguments, report, console => Show(console, report));
            return ExitCode.Success;
        });
        return command;
    }

    private static Report Run(string video, Func<int, int[]> choose, int side, ResizeFilter filter, string output)
    {
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits { Deadline = TimeSpan.FromMinutes(5) });
        long start = Stopwatch.GetTimestamp();
        VideoInfo info = reader.Open(new MediaSource(Path.GetFullPath(video)));
        int[] indices = choose(info.FrameCount);
        int width = side == Native ? info.Width : side, height = side == Native ? info.Height : side, frame = width * height * 3;
        foreach (int index in indices)
            if (index < 0 || index >= info.FrameCount)
                throw new UsageException($"{video} has {info.FrameCount} frames, numbered from 0: there is no frame {index}.");
        if ((long)frame * indices.Length > Array.MaxLength)
            throw new UsageException(
                $"{indices.Length} frames of {width} x {height} do not fit in memory: choose a smaller --size or fewer frames.");

        int[] ascending = [.. indices.Order()];   // as the reader takes them; the file has them in the order asked for
        var pixels = new byte[frame * indices.Length];
        reader.Read(ascending, width, height, filter, pixels);
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        var ordered = new byte[pixels.Length];
        for (int i = 0; i < indices.Length; i++)
            pixels.AsSpan(Array.IndexOf(ascending, indices[i]) * frame, frame).CopyTo(ordered.AsSpan(i * frame));

        using var scope = NewDisposeScope();
        OutputPath.Write(output, "--out", () =>
            Safetensors.Save(output, [new("frames", tensor(ordered, [indices.Length, height, width, 3], ScalarType.Byte))]));
        return new Report(video, indices, info.FrameCount, info.FrameRate, info.Width, info.Height, info.Rotation, width, height,
            milliseconds);
    }

    private static int[] Sample(FrameStrategy strategy, int count, int total, ulong seed)
    {
        var random = SeededRandom.For(seed, RandomPurpose.Frames);
        var indices = new int[count];
        FrameSampler.Choose(strategy, total, ref random, indices);
        return indices;
    }

    private static void Show(IAnsiConsole console, Report report)
    {
        string turned = report.Rotation == 0 ? "" : $", turned by {report.Rotation} degrees";
        console.WriteLine($"indices {string.Join(' ', report.Indices)}");
        console.WriteLine(
            $"{report.TotalFrames} frames, {report.FramesPerSecond:0.###} per second, {report.Width} x {report.Height}{turned}");
        console.WriteLine($"[{report.Indices.Length}, {report.OutputHeight}, {report.OutputWidth}, 3] in {report.Milliseconds:F1} ms");
    }

    private static int[] ParseIndices(ArgumentResult result)
    {
        string text = string.Join(',', result.Tokens.Select(token => token.Value));
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        var indices = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            if (!int.TryParse(parts[i], out indices[i])) result.AddError($"--indices '{text}': '{parts[i]}' is not a number.");
        return indices;
    }

    private static int ParseSize(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (text == "native") return Native;
        if (int.TryParse(text, out int side) && side is > 0 and <= 16384) return side;
        result.AddError($"--size '{text}' is neither a number of pixels from 1 to 16384 nor 'native'.");
        return Native;
    }
}
