using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Preparation;
using Alpro.Data.Synthetic;
using Alpro.Data.Tests.Media;

namespace Alpro.Data.Tests.Preparation;

public sealed class CorpusScannerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_thousand_corrupt_files_among_ten_thousand_are_all_found_and_nothing_else()
    {
        await SyntheticWorld.CreateAsync(_folder.File("world"), new SyntheticWorldSettings { Clips = 4, TestClips = 1, Side = 32 });
        byte[] good = File.ReadAllBytes(Directory.GetFiles(_folder.File("world/images"), "*.png")[0]);
        Directory.CreateDirectory(_folder.File("images"));
        var expected = new Dictionary<long, RejectReason>();
        RejectReason[] reasons = [RejectReason.Empty, RejectReason.NotMedia, RejectReason.Missing];
        using (var annotations = File.CreateText(_folder.File("a.json")))
        {
            annotations.WriteLine("[");
            for (int row = 0; row < 10_000; row++)
            {
                string name = $"{row:D5}.png";
                RejectReason? reason = row % 10 == 7 ? reasons[row / 10 % 3] : null;
                byte[]? content = reason switch { null => good, RejectReason.Empty => [], RejectReason.NotMedia =>
                    "<html><body>404 not found</body></html>"u8.ToArray(), _ => null };
                if (content is not null) File.WriteAllBytes(_folder.File($"images/{name}"), content);
                if (reason is { } why) expected[row] = why;
                annotations.WriteLine($$"""{"image": "{{name}}", "caption": "number {{row}}"}{{(row < 9_999 ? "," : "]")}}""");
            }
        }
        using VideoTextCorpus corpus = Open("a.json", "images");
        ScanResult result = await new CorpusScanner(() => FrameReaders.Create(new DecodeLimits()), threads: 2, frames: 4).ScanAsync(corpus);

        Assert.Equal((10_000, 10_000, 9_000, 1_000), (result.Rows, result.Files, result.Readable, result.Unreadable.Count));
        Assert.Equal(expected.OrderBy(row => row.Key), result.Unreadable.Select(row => KeyValuePair.Create(row.Row, row.Reason)));
        Assert.All(result.Unreadable, row => Assert.Equal(corpus[row.Row].Media.Path, row.Path));

        CorpusScanner.WriteList(_folder.File("unreadable.csv"), "test", result.Unreadable);
        string[] lines = File.ReadAllLines(_folder.File("unreadable.csv"));
        Assert.Equal("corpus,row,path,reason,message,step,slot,attempt", lines[0]);
        Assert.Equal(1_001, lines.Length);
        Assert.StartsWith($"\"test\",7,\"{_folder.File("images/00007.png")}\",Empty,", lines[1]);
    }

    [Fact]
    public async Task A_clip_with_several_rows_is_decoded_once_and_listed_for_each()
    {
        WriteRows("one", "two", "bad", "one", "bad", "two");
        using VideoTextCorpus corpus = Open("a.jsonl", "v");
        int opened = 0;
        ScanResult result = await new CorpusScanner(() => new FakeReader(() => Interlocked.Increment(ref opened)), threads: 3,
            frames: 2).ScanAsync(corpus);
        Assert.Equal((3, 3L), (opened, result.Files));
        Assert.Equal([2, 4], result.Unreadable.Select(row => row.Row));
        Assert.Equal(6, result.Readable + result.Unreadable.Count);
        Assert.Equal((_folder.File("v/bad.mp4"), RejectReason.Corrupt, "cannot be used"),
            (result.Unreadable[0].Path, result.Unreadable[0].Reason, result.Unreadable[0].Message));
    }

    [Fact]
    public async Task All_frames_are_decoded_on_demand_and_the_last_one_always()
    {
        WriteRows("one");
        using VideoTextCorpus corpus = Open("a.jsonl", "v");
        List<int> read = [];
        await new CorpusScanner(() => new FakeReader(() => { }, read), threads: 1, frames: 0).ScanAsync(corpus);
        Assert.Equal(Enumerable.Range(0, 150), read);
        read.Clear();
        await new CorpusScanner(() => new FakeReader(() => { }, read), threads: 1, frames: 3).ScanAsync(corpus);
        Assert.Equal([0, 74, 149], read);
    }

    [Fact]
    public async Task A_fault_of_the_program_is_not_taken_for_a_bad_file()
    {
        WriteRows("one", "fault", "two");
        using VideoTextCorpus corpus = Open("a.jsonl", "v");
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => new CorpusScanner(() => new FakeReader(() => { }), threads: 2, frames: 1).ScanAsync(corpus));
    }

    [Fact]
    public async Task A_scan_stops_when_asked()
    {
        WriteRows([.. Enumerable.Range(0, 1000).Select(i => $"clip{i}")]);
        using VideoTextCorpus corpus = Open("a.jsonl", "v");
        using var stop = new CancellationTokenSource();
        int opened = 0;
        var scanner = new CorpusScanner(() => new FakeReader(() => { if (Interlocked.Increment(ref opened) == 10) stop.Cancel(); }),
            threads: 1, frames: 1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scanner.ScanAsync(corpus, cancellation: stop.Token));
        Assert.Equal(10, opened);
    }

    [Fact]
    public void Messages_with_commas_quotes_and_line_breaks_stay_one_field()
    {
        CorpusScanner.WriteList(_folder.File("u.csv"), "films",
            [new UnreadableRow(3, "/a,b.mp4", RejectReason.Corrupt, "it says \"no\"\nand stops")]);
        Assert.Equal(UnreadableList.Header + "\n\"films\",3,\"/a,b.mp4\",Corrupt,\"it says \"\"no\"\" and stops\",,,\n",
            File.ReadAllText(_folder.File("u.csv")));
    }

    private void WriteRows(params string[] names)
    {
        Directory.CreateDirectory(_folder.File("v"));
        File.WriteAllLines(_folder.File("a.jsonl"),
            names.Select((name, i) => $$"""{"clip_name": "{{name}}", "caption": "caption {{i}}"}"""));
    }

    private VideoTextCorpus Open(string annotations, string media) =>
        VideoTextCorpus.Open(new CorpusConfig { Name = "test", Annotations = annotations, Media = media, Missing = MissingMedia.Lazy },
        _folder.Path);

    /// <summary>A reader of clips of 150 frames, by the file's name.</summary>
    private sealed class FakeReader(Action opened, List<int>? read = null) : IFrameReader
    {
        public VideoInfo Open(MediaSource media)
        {
            opened();
            return Path.GetFileNameWithoutExtension(media.Path) switch
            {
                "bad" => throw new UnreadableClipException(RejectReason.Corrupt, media.Path, "cannot be used"),
                "fault" => throw new InvalidOperationException("a bug"),
                _ => new VideoInfo(150, 25, 64, 64, 0),
            };
        }

        public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
        {
            Assert.Equal(indices.Length * width * height * 3, pixels_THWC.Length);
            read?.AddRange(indices);
        }

        public void Dispose() { }
    }
}
