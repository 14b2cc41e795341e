using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Alpro.Data.Clips;
using Alpro.Data.Preparation;
using Alpro.Data.Preparation.Official;
using FFMpegCore;

namespace Alpro.Data.Tests.Preparation;

public sealed class DatasetPreparerTests : IDisposable
{
    private static readonly DatasetRecipe _plain = new() { Name = "plain", Annotations = new DidemoAnnotations(), Expected = 3 };

    private readonly TemporaryFolder _folder = new();

    public DatasetPreparerTests() => Directory.CreateDirectory(_folder.File("from"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Archives_with_the_published_checksum_are_unpacked_and_counted()
    {
        Zip("a.zip", ("TrainValVideo/video0.mp4", "zero"), ("TrainValVideo/video1.mp4", "one"), ("readme.txt", "no"),
            ("__MACOSX/._video1.mp4", "no"));
        Tar("b.tar", ("clips/../../video2.avi", "two"));
        PreparationReport report = await Prepare(
            _plain with { Archives = [new("a.zip", await Md5("a.zip")), new("b.tar", await Md5("b.tar"))] });
        Assert.Equal(["video0.mp4", "video1.mp4", "video2.avi"], Names("out/videos"));
        Assert.Equal("one", File.ReadAllText(_folder.File("out/videos/video1.mp4")));
        Assert.Equal("checksum verified; 2 files", report.Archives["a.zip"]);
        Assert.Equal((3, 3, true), (report.Sources, report.Prepared, report.IsComplete));
    }

    [Fact]
    public async Task An_archive_with_another_checksum_is_not_unpacked()
    {
        Zip("a.zip", ("video0.mp4", "zero"));
        PreparationReport report = await Prepare(_plain with { Archives = [new("a.zip", new string('0', 32))] });
        Assert.Empty(Names("out/videos"));
        Assert.Equal($"its MD5 is {await Md5("a.zip")}, published is {new string('0', 32)}: download it again",
            Assert.Single(report.Failures).Reason);
        Assert.False(report.IsComplete);
    }

    [Fact]
    public async Task Too_few_files_are_incomplete_but_for_those_known_to_be_missing()
    {
        Tar("a.tar", ("1.mp4", "x"), ("2.mp4", "x"));
        Assert.False((await Prepare(_plain)).IsComplete);
        Assert.True((await Prepare(_plain with { KnownMissing = ["3"] })).IsComplete);
    }

    [Fact]
    public async Task A_second_run_completes_the_first()
    {
        Zip("a.zip", ("1.mp4", "one"), ("2.mp4", "two"), ("3.mp4", "three"));
        await Prepare(_plain);
        var kept = new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(_folder.File("out/videos/1.mp4"), kept);
        File.WriteAllText(_folder.File("out/videos/2.mp4"), "t");          // half written
        File.Delete(_folder.File("out/videos/3.mp4"));
        PreparationReport report = await Prepare(_plain);
        Assert.Equal(kept, File.GetLastWriteTimeUtc(_folder.File("out/videos/1.mp4")));
        Assert.Equal(["one", "two", "three"], Enumerable.Range(1, 3).Select(i => File.ReadAllText(_folder.File($"out/videos/{i}.mp4"))));
        Assert.True(report.IsComplete);
    }

    [Theory]
    [InlineData("a.tar")]
    [InlineData("a.tar.gz")]
    [InlineData("a.zip")]
    public async Task A_damaged_archive_gives_what_can_be_had_and_is_reported(string name)
    {
        string content = new([.. Enumerable.Range(0, 40_000).Select(i => (char)('a' + i * 7919 % 26))]);
        if (name.EndsWith("zip", StringComparison.Ordinal)) Zip(name, ("1.mp4", content), ("2.mp4", content));
        else Tar(name, ("1.mp4", content), ("2.mp4", content));
        using (FileStream file = File.OpenWrite(_folder.File($"from/{name}"))) file.SetLength(file.Length * 2 / 3);
        PreparationReport report = await Prepare(_plain);
        Assert.Contains("the archive is damaged after", Assert.Single(report.Failures).Reason);
        Assert.All(Names("out/videos"), file => Assert.Equal(content, File.ReadAllText(_folder.File($"out/videos/{file}"))));
        Assert.DoesNotContain("2.mp4", Names("out/videos"));
    }

    [Fact]
    public async Task Two_files_of_one_name_are_reported()
    {
        Tar("a.tar", ("x/1.mp4", "first"), ("y/1.mp4", "second"));
        Assert.Equal("y/1.mp4: another file of the archive has this name", Assert.Single((await Prepare(_plain)).Failures).Reason);
        Assert.Equal("first", File.ReadAllText(_folder.File("out/videos/1.mp4")));
    }

    [Fact]
    public async Task Videos_are_converted_to_mp4_and_failures_say_why()
    {
        await Clip("from/sub/a.mov", seconds: 1);
        await Clip("from/b.avi", seconds: 1);
        File.WriteAllText(_folder.File("from/c.mp4"), "<html>");
        DatasetRecipe recipe = _plain with { Conversion = new ConversionSettings() };
        PreparationReport report = await Prepare(recipe);
        Assert.Equal(["a.mp4", "b.mp4"], Names("out/videos"));
        Assert.Equal((3, 2, 0, 2), (report.Sources, report.Converted, report.AlreadyThere, report.Prepared));
        PreparationFailure failure = Assert.Single(report.Failures);
        Assert.Equal(_folder.File("from/c.mp4"), failure.Path);
        Assert.Contains("Invalid data found", failure.Reason);
        IMediaAnalysis a = await FFProbe.AnalyseAsync(_folder.File("out/videos/a.mp4"));
        Assert.Equal(("h264", (int?)98, (int?)64),
            (a.PrimaryVideoStream!.CodecName, a.PrimaryVideoStream.Width, a.PrimaryVideoStream.Height));
        Assert.Empty(a.AudioStreams);

        await Clip("from/c.mp4", seconds: 1);                              // the file was downloaded again
        report = await Prepare(recipe);
        Assert.Equal((1, 2, true), (report.Converted, report.AlreadyThere, report.IsComplete));
    }

    [Fact]
    public async Task Webvid_keeps_a_tenth_of_its_frames_and_can_be_made_smaller()
    {
        await Clip("from/a.mp4", seconds: 4);
        await Prepare(DatasetRecipe.All[0] with { Conversion = DatasetRecipe.All[0].Conversion! with { ShortSide = 32 } });
        VideoStream video = (await FFProbe.AnalyseAsync(_folder.File("out/videos/a.mp4"))).PrimaryVideoStream!;
        Assert.Equal((2.5, (int?)50, (int?)32), (video.AverageFrameRate, video.Width, video.Height));
        Assert.InRange(video.Duration.TotalSeconds, 3.6, 4.4);
    }

    [Fact]
    public async Task Images_can_be_made_smaller()
    {
        Directory.CreateDirectory(_folder.File("from"));
        await FFMpegArguments.FromFileInput("testsrc=s=90x60", false, o => o.ForceFormat("lavfi")).OutputToFile(_folder.File("from/a.png"),
            true, o => o.WithCustomArgument("-frames:v 1")).ProcessAsynchronously();
        PreparationReport report = await Prepare(DatasetRecipe.All[1] with { Conversion = new ConversionSettings { ShortSide = 30 } });
        VideoStream image = (await FFProbe.AnalyseAsync(_folder.File("out/images/a.jpg"))).PrimaryVideoStream!;
        Assert.Equal((30, 46), (image.Height, image.Width));
        Assert.True(report.IsComplete);
    }

    [Fact]
    public async Task A_source_without_media_and_an_output_within_the_source_are_refused()
    {
        Assert.Contains("holds neither archives (.zip, .tar, .tar.gz) nor media files",
            (await Assert.ThrowsAsync<DataException>(() => Prepare(_plain))).Message);
        Assert.Contains("There is no folder",
            (await Assert.ThrowsAsync<DataException>(
            () => new DatasetPreparer(_plain, null, 1).PrepareAsync(_folder.File("none"), _folder.File("out")))).Message);
        File.WriteAllText(_folder.File("from/a.mp4"), "x");
        Assert.Contains("lies within",
            (await Assert.ThrowsAsync<DataException>(
            () => new DatasetPreparer(_plain, new ConversionSettings(), 1).PrepareAsync(_folder.File("from"),
            _folder.File("from/out")))).Message);
    }

    private Task<PreparationReport> Prepare(DatasetRecipe recipe) => new DatasetPreparer(recipe, recipe.Conversion,
        workers: 2).PrepareAsync(_folder.File("from"), _folder.File("out"));

    private Task<string> Md5(string archive) => ArchiveUnpacker.Md5Async(_folder.File($"from/{archive}"), CancellationToken.None);

    private string[] Names(string folder) =>
        [.. Directory.GetFileSystemEntries(_folder.File(folder)).Select(path => Path.GetFileName(path)).Order()];

    private Task Clip(string name, int seconds)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
        return FFMpegArguments.FromFileInput("testsrc=s=98x64:r=25", false, o => o.ForceFormat("lavfi")).AddFileInput("sine", false,
            o => o.ForceFormat("lavfi"))
            .OutputToFile(_folder.File(name), true,
            o => o.WithCustomArgument($"-t {seconds} -c:v mpeg4 -shortest")).ProcessAsynchronously();
    }

    private void Zip(string name, params (string Name, string Content)[] files)
    {
        using ZipArchive zip = ZipFile.Open(_folder.File($"from/{name}"), ZipArchiveMode.Create);
        foreach ((string file, string content) in files)
        {
            using Stream stream = zip.CreateEntry(file).Open();
            stream.Write(Encoding.UTF8.GetBytes(content));
        }
    }

    private void Tar(string name, params (string Name, string Content)[] files)
    {
        using FileStream file = File.Create(_folder.File($"from/{name}"));
        using Stream stream = name.EndsWith("gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionLevel.Fastest) : file;
        using TarWriter tar = new(stream);
        foreach ((string member, string content) in files)
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile,
                member) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
    }
}
