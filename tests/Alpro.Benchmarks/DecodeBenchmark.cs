using System.Diagnostics;
using System.Runtime.InteropServices;
using Alpro.Data.Media;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>decode [ROUNDS]</c>: 8 frames at 224 px of clips of four kinds, one clip after another in one thread, beside one run of the
/// ffmpeg command per clip, which decodes the clip and selects the same frames (and one of ffprobe, which counts them first: without
/// it nobody knows which to select). CPU time is what compares on a busy machine;
/// milliseconds of the stages are wall time. The clips come from the shared folder's WebVid sample (ALPRO_SHARED, else ../shared) and are
/// re-encoded once into the system's temporary folder.
/// </summary>
internal static partial class DecodeBenchmark
{
    private const int Frames = 8, Side = 224;

    /// <summary>How the clips of a kind are made of a WebVid clip with this frame rate; null leaves them as published.</summary>
    private static readonly (string Name, int Clips, Func<double, string>? Encode, double Target)[] _kinds =
    [
        ("webvid", 9, null, 0.12),
        ("webvid 10 % rate", 9, rate => $"-vf fps={rate / 10:F4} -c:v libx264", 0.28),
        ("320x240 long groups", 9, _ => "-t 15 -vf scale=320:240 -c:v libx264 -g 250", 0.26),
        ("1080p", 3, _ => "-t 8 -vf scale=1920:1080 -c:v libx264 -preset veryfast -g 48", double.NaN),
    ];

    private readonly record struct Pass(double CpuMs, double WallMs, long Allocated, DecodeStatistics Sum);

    public static int Run(string[] args)
    {
        int rounds = args.Length > 0 ? int.Parse(args[0]) : 5;
        string shared = Environment.GetEnvironmentVariable("ALPRO_SHARED") ?? Path.Combine(Directory.GetCurrentDirectory(), "..", "shared");
        string folder = Path.Combine(shared, "data", "webvid-sample", "videos");
        if (!Directory.Exists(folder))
        {
            Console.Error.WriteLine(
                $"{folder} is not there: run from the repository's root beside the shared folder, or set ALPRO_SHARED.");
            return 2;
        }
        string[] published = [.. Directory.EnumerateFiles(folder, "*.mp4").Order()];
        Table cost = new Table().AddColumns("clips", "CPU ms/clip", "ffmpeg", "with ffprobe", "ratio", "wanted", "clips/s",
            "allocated B/clip");
        Table stages = new Table().AddColumns("clips", "open ms", "index", "read", "decode", "convert", "decode share", "packets", "sent",
            "dropped");
        using var reader = new VideoReader(new DecodeLimits());
        foreach ((string name, int clips, Func<double, string>? encode, double target) in _kinds)
        {
            string[] files = [.. published.Take(clips).Select(f => encode is null ? f : Encode(reader, f, name, encode))];
            Measure(reader, files);   // warm up
            var own = new List<Pass>();
            var peer = new List<(double Ffmpeg, double Both)>();
            for (int round = 0; round < rounds; round++)
            {
                own.Add(Measure(reader, files));
                if (round < 2) peer.Add(CommandCpu(reader, files));
            }
            Pass median = own.OrderBy(p => p.CpuMs).ElementAt(rounds / 2);
            (double ffmpeg, double both) = peer.Min();
            cost.AddRow(name, $"{median.CpuMs:F1}", $"{ffmpeg:F0}", $"{both:F0}", $"{median.CpuMs / both:F3}",
                double.IsNaN(target) ? "" : $"{target}", $"{1000 / median.WallMs:F1}", $"{median.Allocated}");
            DecodeStatistics s = median.Sum;
            double n = files.Length * 1e6;
            double total = s.OpenNanoseconds + s.IndexNanoseconds + s.ReadNanoseconds + s.DecodeNanoseconds + s.ConvertNanoseconds;
            stages.AddRow(name, $"{s.OpenNanoseconds / n:F2}", $"{s.IndexNanoseconds / n:F2}", $"{s.ReadNanoseconds / n:F2}",
                $"{s.DecodeNanoseconds / n:F1}", $"{s.ConvertNanoseconds / n:F2}",
                $"{s.DecodeNanoseconds / total:P0}", $"{s.Packets / files.Length}", $"{(double)s.Sent / files.Length:F1}",
                $"{(double)s.Dropped / files.Length:F1}");
        }
        AddIsolated(cost, published);
        AnsiConsole.Profile.Width = 132;
        AnsiConsole.MarkupLineInterpolated(
            $"8 frames (uniform) at 224 px, bilinear, one thread, {rounds} rounds (median); {NativeDecoder.Version}");
        AnsiConsole.Write(cost);
        AnsiConsole.Write(stages);
        return 0;
    }

    /// <summary>The WebVid clips again, in this process and in a child process by turns: what isolation costs.</summary>
    private static void AddIsolated(Table table, string[] files)
    {
        using var here = new VideoReader(new DecodeLimits());
        using var there = new IsolatedFrameReader(new DecodeLimits(),
            new WorkerCommand("dotnet", Path.Combine(AppContext.BaseDirectory, "alpro.dll"), "decode-worker"));
        long start = Stopwatch.GetTimestamp();
        there.Open(new MediaSource(files[0]));
        double startMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Measure(there, files);
        using Process worker = Process.GetProcessById(there.WorkerId!.Value);
        var ratios = new List<(double Cpu, double Wall)>();
        for (int round = 0; round < 7; round++)
        {
            Pass own = Measure(here, files);
            worker.Refresh();
            TimeSpan before = worker.TotalProcessorTime;
            Pass child = Measure(there, files);
            worker.Refresh();
            double cpu = child.CpuMs + (worker.TotalProcessorTime - before).TotalMilliseconds / files.Length;
            ratios.Add((cpu - own.CpuMs, child.WallMs - own.WallMs));
        }
        (double Cpu, double Wall) median = (ratios.Select(r => r.Cpu).Order().ElementAt(3),
            ratios.Select(r => r.Wall).Order().ElementAt(3));
        table.AddRow("webvid, isolated", $"{median.Cpu:+0.0;-0.0}", "", "", "", "", $"{median.Wall:+0.0;-0.0} ms",
            $"start {startMs:F0} ms, {worker.WorkingSet64 >> 20} MiB");
    }

    private static Pass Measure(IFrameReader reader, string[] files)
    {
        Span<int> indices = stackalloc int[Frames];
        var pixels = new byte[Frames * Side * Side * 3];
        DecodeStatistics sum = default;
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        long allocated = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        foreach (string file in files)
        {
            int frames = reader.Open(new MediaSource(file)).FrameCount;
            for (int i = 0; i < Frames; i++) indices[i] = i * (frames / Frames);
            reader.Read(indices, Side, Side, ResizeFilter.Bilinear, pixels);
            DecodeStatistics s = (reader as VideoReader)?.Statistics ?? default;
            sum = new(sum.OpenNanoseconds + s.OpenNanoseconds, sum.IndexNanoseconds + s.IndexNanoseconds,
                sum.ReadNanoseconds + s.ReadNanoseconds, sum.DecodeNanoseconds + s.DecodeNanoseconds,
                sum.ConvertNanoseconds + s.ConvertNanoseconds, sum.Packets + s.Packets, sum.Sent + s.Sent, sum.Dropped + s.Dropped,
                sum.Bytes + s.Bytes);
        }
        double wall = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        return new((Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalMilliseconds / files.Length, wall / files.Length,
            allocated / files.Length, sum);
    }

    /// <summary>
    /// CPU milliseconds a clip when ffmpeg decodes each from its start and picks the same frames, alone and with ffprobe's count.
    /// </summary>
    private static (double Ffmpeg, double Both) CommandCpu(VideoReader reader, string[] files)
    {
        double start = ChildrenCpuMs();
        foreach (string file in files)
            Command("ffprobe", $"-v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -o /dev/null \"{file}\"");
        double counted = ChildrenCpuMs();
        foreach (string file in files)
        {
            int step = reader.Open(new MediaSource(file)).FrameCount / Frames;
            string wanted = string.Join('+', Enumerable.Range(0, Frames).Select(i => $"eq(n\\,{i * step})"));
            Command("ffmpeg", $"-v error -nostdin -i \"{file}\" -vf \"select='{wanted}',scale={Side}:{Side}:flags=bilinear\" -vsync "
                + "passthrough -pix_fmt rgb24 -f rawvideo -y /dev/null");
        }
        double end = ChildrenCpuMs();
        return ((end - counted) / files.Length, (end - start) / files.Length);
    }

    /// <summary>A file re-encoded once for a kind, in the system's temporary folder.</summary>
    internal static string Encode(VideoReader reader, string file, string kind, Func<double, string> arguments)
    {
        string folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "alpro-benchmark",
            kind.Replace(' ', '-').Replace("%", "percent"))).FullName;
        string made = Path.Combine(folder, Path.GetFileName(file));
        if (!File.Exists(made))
        {
            Command("ffmpeg",
                $"-v error -nostdin -i \"{file}\" {arguments(reader.Open(new MediaSource(file)).FrameRate)} -an -y \"{made}.part.mp4\"");
            File.Move(made + ".part.mp4", made);
        }
        return made;
    }

    internal static void Command(string program, string arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {arguments} failed");
    }

    private static double ChildrenCpuMs()
    {
        Span<long> usage = stackalloc long[18];   // struct rusage: user and system time in seconds and microseconds, then counters
        const int children = -1;
        if (GetUsage(children, usage) != 0) throw new InvalidOperationException("getrusage failed");
        return (usage[0] + usage[2]) * 1000.0 + (usage[1] + usage[3]) / 1000.0;
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetUsage(int who, Span<long> usage);
}
