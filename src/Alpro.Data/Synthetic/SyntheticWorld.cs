using System.Globalization;
using System.Text.Json;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using FFMpegCore;
using FFMpegCore.Pipes;

namespace Alpro.Data.Synthetic;

/// <summary>What to synthesise.</summary>
public sealed record SyntheticWorldSettings
{
    /// <summary>Training clips.</summary>
    public int Clips { get; init; } = 1000;

    /// <summary>Images: half as many as training clips.</summary>
    public int ImageCount => Math.Max(Clips / 2, 1);

    /// <summary>Validation clips: a tenth of the training clips, 10 to 100.</summary>
    public int ValidationClips => Math.Clamp(Clips / 10, 10, 100);

    /// <summary>The world's seed: the same seed makes the same bytes.</summary>
    public ulong Seed { get; init; }

    /// <summary>Side of the pictures in pixels; even.</summary>
    public int Side { get; init; } = 96;

    /// <summary>Frames per second.</summary>
    public int FrameRate { get; init; } = 12;

    /// <summary>Frames per clip.</summary>
    public int Frames { get; init; } = 24;

    /// <summary>Test clips.</summary>
    public int TestClips { get; init; } = 100;
}

/// <summary>
/// A small captioned world to learn from without data of one's own: clips of moving coloured shapes, in the annotation formats of the real
/// corpora. No combination of shape, colour, motion and count of the validation or test split occurs in training, in clips, images or
/// questions. Every test caption is true of one test clip only; a fifth of the training captions names no background.
/// </summary>
/// <remarks>
/// <code>
/// train/results_train.csv, train/videos/   WebVid CSV and its clips
/// val/results_val.csv, val/retrieval.jsonl, val/videos/
/// test/retrieval.jsonl, test/videos/       held-out captions, one a clip
/// images/annotations.json, images/*.jpg, *.png   CC3M-style JSON and its pictures
/// qa/{train,val,test}.jsonl                seven questions about every clip of the split of that name
/// qa/train_ans2label.json                  answers of training, commonest first
/// entities.txt                             "entity count" a line, commonest first
/// vocab.txt                                WordPiece vocabulary that covers all of it; letters spell other words
/// </code>
/// </remarks>
public static class SyntheticWorld
{
    private const int ClipsPerCommand = 200;
    private const int HeldOutShare = 10;

    private sealed record SyntheticClip(string Id, SyntheticScene Scene, string Caption, ulong Seed);

    /// <summary>Makes the world in a folder that is absent, empty, or holds an earlier world, which it replaces.</summary>
    /// <param name="folder">Where to make it.</param>
    /// <param name="settings">What to make.</param>
    /// <param name="progress">Told the share that is done, 0 to 1.</param>
    /// <param name="cancellation">Stops it; what was made so far stays.</param>
    /// <exception cref="DataException">
    /// The folder holds something else or cannot be written, a setting is out of range, or there is no ffmpeg.
    /// </exception>
    public static async Task CreateAsync(string folder, SyntheticWorldSettings settings, IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        Check(settings);
        Clear(folder);
        RowPermutation combinations = new(SyntheticScene.Combinations, SeededRandom.Mix(settings.Seed, (ulong)RandomPurpose.Synthesis));
        int heldOut = SyntheticScene.Combinations / HeldOutShare;
        int[] order = [.. Enumerable.Range(0, SyntheticScene.Combinations).Select(i => (int)combinations[i])];

        List<SyntheticClip> test = Draw(settings, order[..heldOut], settings.TestClips, firstId: 3_000_000);
        List<SyntheticClip> val = Draw(settings, order[heldOut..(2 * heldOut)], settings.ValidationClips, firstId: 2_000_000);
        List<SyntheticClip> train = Draw(settings, order[(2 * heldOut)..], settings.Clips, firstId: 1_000_000, orShort: true);
        List<SyntheticClip> images = Draw(settings, order[(2 * heldOut)..], settings.ImageCount, firstId: 4_000_000, still: true);

        WriteAnnotations(folder, train, val, test, images);
        await RenderAsync(folder, settings, [("train/videos", train), ("val/videos", val), ("test/videos", test)], images, progress,
            cancellation).ConfigureAwait(false);
    }

    private static void Check(SyntheticWorldSettings settings)
    {
        List<string> problems = [];
        if (settings.Clips < 1) problems.Add($"clips must be at least 1, not {settings.Clips}");
        if (settings.TestClips is < 1 or > 1000) problems.Add($"test clips must be 1 to 1000, not {settings.TestClips}");
        if (settings.Side is < 32 or > 1024 || settings.Side % 2 != 0)
            problems.Add($"the side must be even and 32 to 1024 pixels, not {settings.Side}");
        if (settings.FrameRate is < 1 or > 60) problems.Add($"the frame rate must be 1 to 60, not {settings.FrameRate}");
        if (settings.Frames is < 1 or > 1000) problems.Add($"a clip must have 1 to 1000 frames, not {settings.Frames}");
        if (problems.Count > 0) throw new DataException($"No such world can be made: {string.Join("; ", problems)}.");
    }

    private static void Clear(string folder)
    {
        string marker = Path.Combine(folder, "vocab.txt"), qa = Path.Combine(folder, "qa");
        try
        {
            if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()
                && !(File.Exists(marker) && Directory.Exists(qa)))
                throw new DataException($"{folder} is not empty and holds no synthetic world: choose another folder.");
            foreach (string part in (string[])["train", "val", "test", "images", "qa"])
                if (Directory.Exists(Path.Combine(folder, part))) Directory.Delete(Path.Combine(folder, part), recursive: true);
            foreach (string part in (string[])["train/videos", "val/videos", "test/videos", "images", "qa"])
                Directory.CreateDirectory(Path.Combine(folder, part));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{folder} cannot be written: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// Different scenes of the allowed combinations, in random order, until all were used; then again with other positions and wordings.
    /// </summary>
    private static List<SyntheticClip> Draw(SyntheticWorldSettings settings, int[] combinations, int count, int firstId, bool still = false,
        bool orShort = false)
    {
        ulong seed = SeededRandom.Mix(settings.Seed, (ulong)RandomPurpose.Synthesis, (ulong)firstId);
        RowPermutation scenes = new((long)combinations.Length * SyntheticScene.Looks, seed);
        List<SyntheticClip> clips = new(count);
        for (int i = 0; i < count; i++)
        {
            long number = scenes[i % scenes.Count];
            var scene = SyntheticScene.From(combinations[(int)(number / SyntheticScene.Looks)], (int)(number % SyntheticScene.Looks));
            ulong clipSeed = SeededRandom.Mix(seed, (ulong)i);
            SeededRandom random = SeededRandom.For(clipSeed, RandomPurpose.Caption);
            string caption = still ? scene.ImageCaption(ref random) : scene.Caption(ref random, orShort);
            clips.Add(new SyntheticClip((firstId + i).ToString(CultureInfo.InvariantCulture), scene, caption, clipSeed));
        }
        return clips;
    }

    private static void WriteAnnotations(string folder, List<SyntheticClip> train, List<SyntheticClip> val, List<SyntheticClip> test,
        List<SyntheticClip> images)
    {
        string File(string name) => Path.Combine(folder, name);
        WriteCsv(File("train/results_train.csv"), train);
        WriteCsv(File("val/results_val.csv"), val);
        WriteRetrieval(File("val/retrieval.jsonl"), val);
        WriteRetrieval(File("test/retrieval.jsonl"), test);
        System.IO.File.WriteAllText(File("images/annotations.json"),
            "[\n" + string.Join(",\n", images.Select((image, i) =>
                JsonSerializer.Serialize(new { image = ImageName(image, i < images.Count / 2), caption = image.Caption }))) + "\n]\n");

        WriteQuestions(File("qa/train.jsonl"), train);
        WriteQuestions(File("qa/val.jsonl"), val);
        WriteQuestions(File("qa/test.jsonl"), test);
        IEnumerable<string> answers = CommonestFirst(train.SelectMany(clip => clip.Scene.Questions()).Select(question => question.Answer))
            .Select(answer => answer.Name);
        System.IO.File.WriteAllText(File("qa/train_ans2label.json"),
            JsonSerializer.Serialize(answers.Select((answer, label) => (answer, label)).ToDictionary(a => a.answer, a => a.label)));

        IEnumerable<string> things = train.SelectMany(clip => (string[])[SyntheticScene.Shapes[clip.Scene.Shape],
            SyntheticScene.Colors[clip.Scene.Color], SyntheticScene.Grounds[clip.Scene.Ground]]);
        System.IO.File.WriteAllLines(File("entities.txt"), CommonestFirst(things).Select(thing => $"{thing.Name} {thing.Count}"));
        System.IO.File.WriteAllLines(File("vocab.txt"), SyntheticVocabulary.Pieces);
    }

    private static void WriteCsv(string path, List<SyntheticClip> clips) =>
        File.WriteAllLines(path,
            clips.Select((clip, i) => $"{clip.Id},{clip.Caption},{i / 50},{i / 50 * 50 + 1:D6}_{i / 50 * 50 + 50:D6},PT00H00M02S,")
                .Prepend("videoid,name,page_idx,page_dir,duration,contentUrl"));

    private static void WriteRetrieval(string path, List<SyntheticClip> clips) =>
        File.WriteAllLines(path, clips.Select(clip => JsonSerializer.Serialize(new { clip_name = clip.Id, caption = clip.Caption })));

    private static void WriteQuestions(string path, List<SyntheticClip> clips) =>
        File.WriteAllLines(path, from clip in clips from question in clip.Scene.Questions()
                                 select JsonSerializer.Serialize(new { video_id = clip.Id, question = question.Question,
                                     answer = question.Answer, answer_type = question.Type }));

    private static IEnumerable<(string Name, int Count)> CommonestFirst(IEnumerable<string> names) =>
        names.CountBy(name => name).Select(name => (Name: name.Key, Count: name.Value)).OrderByDescending(name => name.Count)
            .ThenBy(name => name.Name, StringComparer.Ordinal);

    private static string ImageName(SyntheticClip image, bool jpeg) => image.Id + (jpeg ? ".jpg" : ".png");

    private static async Task RenderAsync(
        string folder, SyntheticWorldSettings settings, (string Folder, List<SyntheticClip> Clips)[] splits, List<SyntheticClip> images,
        IProgress<double>? progress, CancellationToken cancellation)
    {
        string clip = $"{FfmpegCommand.Deterministic} -c:v libx264 -preset ultrafast -tune zerolatency -qp 18 -pix_fmt yuv420p"
            + $" -x264-params keyint={settings.Frames}:min-keyint={settings.Frames}:scenecut=0 -f segment -segment_time "
            + $"{settings.Frames / (double)settings.FrameRate} -reset_timestamps 1 -segment_format mp4";
        const string Jpeg = FfmpegCommand.Deterministic + " -c:v mjpeg -q:v 2 -pix_fmt yuvj444p -f image2",
            Png = FfmpegCommand.Deterministic + " -c:v png -pix_fmt rgb24 -f image2";
        int half = images.Count / 2;
        (string Folder, List<SyntheticClip> Clips, int Frames, string Extension, string Options, string StartOption)[] works =
        [
            .. from split in splits from chunk in split.Clips.Chunk(ClipsPerCommand) select (split.Folder, chunk.ToList(), settings.Frames,
            ".mp4", clip, "-segment_start_number"),
            ("images", images[..half], 1, ".jpg", Jpeg, "-start_number"),
            ("images", images[half..], 1, ".png", Png, "-start_number"),
        ];
        int done = 0;
        await Parallel.ForEachAsync(works.Where(work => work.Clips.Count > 0), cancellation, async (work, stop) =>
        {
            await FfmpegCommand.RunAsync(FFMpegArguments.FromPipeInput(new Frames(work.Clips, settings, work.Frames))
                .OutputToFile(Path.Combine(folder, work.Folder, "%07d" + work.Extension), overwrite: true,
                    options => options.WithCustomArgument($"{work.Options} {work.StartOption} {work.Clips[0].Id}")), stop)
                        .ConfigureAwait(false);
            progress?.Report(Interlocked.Increment(ref done) / (double)works.Length);
        }).ConfigureAwait(false);
    }

    /// <summary>The frames of clips, one after another, as raw RGB.</summary>
    private sealed class Frames(List<SyntheticClip> clips, SyntheticWorldSettings settings, int framesPerClip) : IPipeSource
    {
        public string GetStreamArguments() => $"-f rawvideo -pix_fmt rgb24 -s {settings.Side}x{settings.Side} -r {settings.FrameRate}";

        public async Task WriteAsync(Stream outputStream, CancellationToken cancellationToken)
        {
            byte[] rgb = new byte[settings.Side * settings.Side * 3 * framesPerClip];
            foreach (SyntheticClip clip in clips)
            {
                SeededRandom random = SeededRandom.For(clip.Seed, RandomPurpose.Synthesis);
                ScenePainter painter = new(clip.Scene, settings.Side, ref random);
                for (int frame = 0; frame < framesPerClip; frame++)
                    painter.Paint(framesPerClip == 1 ? 0.5 : frame / (framesPerClip - 1.0),
                        rgb.AsSpan(rgb.Length / framesPerClip * frame, rgb.Length / framesPerClip));
                await outputStream.WriteAsync(rgb, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
