using System.Diagnostics;

namespace Alpro.Data.Tests.Media;

/// <summary>Clips of every awkward kind, made with the ffmpeg command on first use and kept for the whole test run.</summary>
internal static class TestVideos
{
    private static readonly TemporaryFolder _folder = new();
    private static readonly Lock _making = new();

    static TestVideos() => AppDomain.CurrentDomain.ProcessExit += (_, _) => _folder.Dispose();

    /// <summary>Kinds by name: the file's extension, then ffmpeg's arguments between a moving 160x96 test picture and the file.</summary>
    private static readonly Dictionary<string, (string Extension, string Arguments)> _kinds = new()
    {
        ["b-frames"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -bf 3 -g 48"),
        ["b-pyramid long group"] = ("mp4",
        "-t 8 -c:v libx264 -preset medium -bf 8 -b_strategy 2 -x264-params b-pyramid=normal:ref=4 -g 250"),
        ["open group"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -bf 3 -x264-params open-gop=1:keyint=24:scenecut=0"),
        ["open group mkv"] = ("mkv", "-t 6 -c:v libx264 -preset veryfast -bf 3 -x264-params open-gop=1:keyint=24:scenecut=0"),
        ["intra refresh"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -x264-params intra-refresh=1:keyint=30"),
        ["intra refresh ts"] = ("ts", "-t 6 -c:v libx264 -preset veryfast -x264-params intra-refresh=1:keyint=30"),
        ["variable rate"] = ("mp4",
        "-t 8 -vf select='not(mod(n,3))+gt(mod(n,50),40)' -vsync vfr -c:v libx264 -preset veryfast -bf 2 -g 24"),
        ["fragmented"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -bf 2 -g 24 -movflags frag_keyframe+empty_moov"),
        ["hybrid fragmented"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -bf 2 -g 24 -movflags frag_keyframe"),
        ["header first"] = ("mp4", "-t 6 -c:v libx264 -preset veryfast -bf 2 -g 24 -movflags +faststart"),
        ["transport stream"] = ("ts", "-t 6 -c:v libx264 -preset veryfast -bf 3 -g 24"),
        ["transport stream open group"] = ("ts", "-t 6 -c:v libx264 -preset veryfast -bf 3 -x264-params open-gop=1:keyint=24"),
        ["mpeg-2 transport stream"] = ("ts", "-t 6 -c:v mpeg2video -bf 2 -g 15 -b:v 1M"),
        ["mpeg-2 program stream"] = ("mpg", "-t 6 -c:v mpeg2video -bf 2 -g 15 -b:v 1M"),
        ["hevc"] = ("mp4", "-t 5 -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3:open-gop=0"),
        ["hevc open group"] = ("mp4", "-t 5 -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=24:bframes=3:open-gop=1"),
        ["vp9"] = ("webm", "-t 4 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30 -auto-alt-ref 1 -lag-in-frames 12 -b:v 200k"),
        ["vp9 mp4"] = ("mp4", "-t 4 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30 -b:v 200k"),
        ["vp8 hidden frames"] = ("webm", "-t 4 -c:v libvpx -deadline good -cpu-used 5 -g 30 -auto-alt-ref 1 -lag-in-frames 12 -b:v 200k"),
        ["mpeg-4 avi"] = ("avi", "-t 6 -c:v mpeg4 -g 12 -q:v 5"),
        ["mpeg-4 avi b-frames"] = ("avi", "-t 6 -c:v mpeg4 -bf 2 -g 12 -q:v 5"),
        ["mpeg-4 mp4 b-frames"] = ("mp4", "-t 6 -c:v mpeg4 -bf 2 -g 12 -q:v 5"),
        ["h.264 avi b-frames"] = ("avi", "-t 6 -c:v libx264 -preset veryfast -bf 2 -g 24"),
        ["flv"] = ("flv", "-t 6 -c:v libx264 -preset veryfast -bf 2 -g 24"),
        ["wmv"] = ("wmv", "-t 6 -c:v wmv2 -g 24 -q:v 5"),
        ["10 bit"] = ("mp4", "-t 4 -pix_fmt yuv420p10le -c:v libx264 -preset veryfast -g 24"),
        ["4:4:4"] = ("mp4", "-t 4 -pix_fmt yuv444p -c:v libx264 -preset veryfast -g 24"),
        ["4:2:2"] = ("mp4", "-t 4 -pix_fmt yuv422p -c:v libx264 -preset veryfast -g 24"),
        ["full range bt709"] = ("mp4", "-t 4 -pix_fmt yuvj420p -colorspace bt709 -color_range pc -c:v libx264 -preset veryfast -g 24"),
        ["tagged bt709"] = ("mp4", "-t 4 -colorspace bt709 -c:v libx264 -preset veryfast -g 24"),
        ["interlaced"] = ("mp4", "-t 4 -vf tinterlace=interleave_top -flags +ildct+ilme -c:v libx264 -preset veryfast -g 24"),
        ["mjpeg mp4"] = ("mp4", "-t 4 -vf scale=256:256 -c:v mjpeg -q:v 3"),
        ["key frames alone"] = ("mp4", "-t 4 -vf scale=256:256 -c:v libx264 -g 1 -crf 23 -tune fastdecode"),
        ["gif"] = ("gif", "-t 2 -r 10"),
        ["odd size"] = ("mp4", "-t 3 -vf scale=151:93 -pix_fmt yuv444p -c:v libx264 -preset veryfast -g 24"),
        ["av1"] = ("mp4", "-t 1 -c:v libaom-av1 -cpu-used 8 -usage realtime -g 12 -b:v 200k"),
    };

    /// <summary>The kinds, for theories.</summary>
    public static TheoryData<string> Names => [.. _kinds.Keys, "edit list", "edit list pause", "rotated 90", "rotated 180", "rotated 270",
        "rotated 4:2:2", "cut transport stream", "audio beside"];

    /// <summary>The clip of a kind.</summary>
    public static string Get(string kind) => kind switch
    {
        "edit list" => Derive("editlist.mp4", $"-ss 1.21 -i {Quote(Get("b-frames"))} -c copy -avoid_negative_ts make_non_negative"),
        "edit list pause" => Derive("pause.mp4",
            $"-itsoffset 1.5 -i {Quote(Get("b-frames"))} -f lavfi -t 3 -i anullsrc -map 0:v -map 1:a -c:v copy -c:a aac"),
        // The command counts the tag against the clock.
        "rotated 90" => Derive("r90.mp4", $"-i {Quote(Get("b-frames"))} -c copy -metadata:s:v rotate=270"),
        "rotated 180" => Derive("r180.mp4", $"-i {Quote(Get("odd size"))} -c copy -metadata:s:v rotate=180"),
        "rotated 270" => Derive("r270.mp4", $"-i {Quote(Get("10 bit"))} -c copy -metadata:s:v rotate=90"),
        "rotated 4:2:2" => Derive("r422.mp4", $"-i {Quote(Get("4:2:2"))} -c copy -metadata:s:v rotate=180"),
        "cut transport stream" => CutTransportStream(),
        "audio beside" => Derive("audio.mp4", $"-i {Quote(Get("b-frames"))} -f lavfi -t 6 -i sine -map 0:v -map 1:a -c:v copy -c:a aac"),
        _ => Derive($"{kind.Replace(' ', '_').Replace(':', '_')}.{_kinds[kind].Extension}",
            "-f lavfi -i testsrc2=size=160x96:rate=25 "
            + $"{(_kinds[kind].Arguments.Contains("pix_fmt") || kind == "gif" ? "" : "-pix_fmt yuv420p ")}{_kinds[kind].Arguments}"),
    };

    /// <summary>A file of this name made by ffmpeg with these arguments, once.</summary>
    public static string Derive(string name, string arguments)
    {
        string path = _folder.File(name);
        lock (_making)
        {
            if (!File.Exists(path)) Run("ffmpeg", $"-v error -nostdin -y -threads 1 {arguments} -threads 1 {Quote(path)}");
        }
        return path;
    }

    /// <summary>A new path for a file that a test writes itself.</summary>
    public static string NewPath(string extension) => _folder.File($"{Guid.NewGuid():N}{extension}");

    /// <summary>Every frame, or the first of them, as the ffmpeg command decodes and scales it.</summary>
    public static byte[] DecodeByCommand(string path, int width, int height, string filter, int frames = int.MaxValue) =>
        Run("ffmpeg", $"-v error -nostdin -threads 1 -i {Quote(path)} -map 0:v:0 -vf scale={width}:{height}:flags={filter} -vsync "
        + $"passthrough -frames:v {frames} -pix_fmt rgb24 -f rawvideo -");

    public static byte[] Run(string command, string arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return process.ExitCode == 0 ? output.ToArray()
            : throw new InvalidOperationException($"{command} {arguments}: {errors.GetAwaiter().GetResult()}");
    }

    private static string CutTransportStream()
    {
        byte[] bytes = File.ReadAllBytes(Get("transport stream open group"));
        string path = _folder.File("cut.ts");
        lock (_making) File.WriteAllBytes(path, bytes[(188 * 60)..]);
        return path;
    }

    private static string Quote(string path) => $"\"{path}\"";
}
