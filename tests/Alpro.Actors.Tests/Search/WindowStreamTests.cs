using Alpro.Actors.Search;
using Alpro.Data.Media;
using Alpro.Data.Workers;
using Alpro.Training.Configuration;
using Alpro.Training.Search;

namespace Alpro.Actors.Tests.Search;

/// <summary>An index has the same bytes whoever finds and encodes its windows, and wherever it was stopped.</summary>
public sealed class WindowStreamTests : IDisposable
{
    private const int BatchSize = 4;

    private readonly TemporaryFolder _folder = new();

    /// <summary>Some have no windows, some are no videos.</summary>
    private static readonly IndexedFile[] _plan =
        [.. Enumerable.Range(0, 60).Select(number => new IndexedFile(number, $"{number:00}.mp4", new($"/v/{number:00}.mp4")))];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1, 0)]
    [InlineData(5, 0)]
    [InlineData(1, 6)]
    public async Task Neither_workers_nor_losses_nor_stops_change_a_byte(int here, int elsewhere)
    {
        Assert.Equal(103, await RunAsync("alone", 1, 0));
        Assert.Equal(103, await RunAsync("together", here, elsewhere));
        for (int stop = 1; stop <= 3; stop++)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync("stopped", here, elsewhere, stopAfter: stop));
        Assert.InRange(await RunAsync("stopped", here, elsewhere), 1, 103 - 6 * BatchSize);      // 1 + 2 + 3 batches were committed
        foreach (string other in new[] { "together", "stopped" })
            foreach (string file in Directory.EnumerateFiles(_folder.File("alone"), "*", SearchOption.AllDirectories))
                Assert.Equal(File.ReadAllBytes(file),
                    File.ReadAllBytes(Path.Combine(_folder.File(other), Path.GetRelativePath(_folder.File("alone"), file))));
    }

    [Fact]
    public async Task Progress_counts_what_is_found_and_estimates_the_rest()
    {
        List<IndexProgress> told = [];
        await RunAsync("index", 1, 0, told: told.Add);
        Assert.True(told[0].IsEstimate && told[0].All > 2 * told[0].Done);
        Assert.Equal((103, 103, false), (told[^1].Done, told[^1].All, told[^1].IsEstimate));
        Assert.Equal(TimeSpan.Zero, told[^1].Left);
    }

    private async Task<int> RunAsync(string name, int here, int elsewhere, int? stopAfter = null, Action<IndexProgress>? told = null)
    {
        SearchManifest manifest = new()
        {
            Source = "videos",
            Model = new("step_1", LearningTask.Retrieval, [], "weights.pt", "hash", "config", HasMatching: true),
            Windows = new(),
            Width = 4,
        };
        using SearchIndexWriter writer = SearchIndexWriter.Open(_folder.File(name), manifest, _plan);
        using var pool = new WorkerPool<IWindowEncoder>(() => new FakeEncoder(lost: null), here);
        for (int worker = 0; worker < elsewhere; worker++) pool.Add(new FakeEncoder(lost: worker < 3 ? 2 * worker + 1 : null, poor: true));
        using var stop = new CancellationTokenSource();
        int batches = 0;
        int encoded = await new WindowStream(writer, pool, BatchSize)
        {
            Found = static _ => { },
            CommitEvery = TimeSpan.Zero,
            Progressed = progress =>
            {
                told?.Invoke(progress);
                if (++batches == stopAfter) stop.Cancel();
            },
        }.RunAsync(stop.Token);
        writer.Complete();
        return encoded;
    }

    /// <summary>Makes features that tell which batch they were made in.</summary>
    /// <param name="lost">Pieces after which it is lost; null for never.</param>
    /// <param name="poor">Whether it cannot read some files.</param>
    private sealed class FakeEncoder(int? lost, bool poor = false) : IWindowEncoder
    {
        private int _pieces;

        public async Task<SurveyedFile> SurveyAsync(IndexedFile file, CancellationToken stop)
        {
            await PieceAsync(file);
            return file.Number % 7 == 0 ? new(file with { Problem = "no video" }, [])
                : new(file with { Info = new(100, 25, 64, 36, 0) }, [.. Enumerable.Range(0, file.Number % 5).Select(
                    number => new Window(number, 0, 25 * number, 25, number, number + 1))]);
        }

        public async Task<EncodedWindow[]> EncodeAsync(IReadOnlyList<(IndexedFile File, Window Window)> windows, CancellationToken stop)
        {
            (IndexedFile first, Window begin) = windows[0];
            await PieceAsync(first);
            return [.. windows.Select(row => row.File.Number % 11 == 3 && row.Window.Number == 1
                ? new EncodedWindow([], [], [], "a frame is damaged")
                : new([(Half)row.File.Number, (Half)row.Window.Number, (Half)(10 * first.Number + begin.Number), (Half)windows.Count], [],
                    [(byte)row.File.Number]))];
        }

        public void Dispose() { }

        private async Task PieceAsync(IndexedFile file)
        {
            for (int turn = 0; turn < file.Number % 3; turn++) await Task.Yield();
            if (++_pieces > lost) throw new IOException("the other process is lost");
            if (poor && file.Number % 13 == 5) throw new UnreadableClipException(RejectReason.Missing, file.Name, "there is none");
        }
    }
}
