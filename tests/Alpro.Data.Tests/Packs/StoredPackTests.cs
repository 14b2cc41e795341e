using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Data.Places;
using Alpro.Data.Synthetic;
using Alpro.Data.Tests.Places;
using Alpro.Tests.Support.Stores;

namespace Alpro.Data.Tests.Packs;

/// <summary>Packs that are made in a bucket.</summary>
[Collection(Bucket.Collection)]
public sealed class StoredPackTests(Bucket bucket) : IDisposable
{
    private static readonly PackSettings _settings = new() { Side = 64, RateFactor = 0.5, ShardBytes = 20_000 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [S3Fact]
    public async Task A_pack_that_was_stopped_in_a_bucket_goes_on_and_has_the_bytes_of_one_on_disk()
    {
        Assert.NotNull(bucket.Endpoint);
        await SyntheticWorld.CreateAsync(_folder.Path, new SyntheticWorldSettings { Clips = 24, TestClips = 4, Seed = 3 }, null,
            CancellationToken.None);
        string there = Bucket.At("packed/videos");
        PackReport local = await PackAsync(_folder.File("local"));
        Assert.True(local.Shards > 6);

        List<int> begun = [];
        for (int stops = 0; stops < 3; stops++)
        {
            using CancellationTokenSource stop = new();
            int told = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PackAsync(there, step =>
            {
                if (told == 0) begun.Add(step.Done);
                if (told++ == 7) stop.Cancel();
            }, stop: stop.Token));
            Assert.DoesNotContain(CorpusPacker.IndexName, Files(there).Keys);
            if (stops == 1) await ReplaceAsync(Place.Combine(there, "00001.tar"));
        }
        Assert.Equal(0, begun[0]);
        Assert.True(begun[1] > 3);                                    // what was finished is not made again
        Assert.InRange(begun[2], 1, begun[1] - 1);                    // but what is not what was put there is, and what follows it
        PackReport stored = await PackAsync(there);

        Dictionary<string, byte[]> files = Files(there);
        Assert.Equal(Directory.EnumerateFiles(_folder.File("local")).Select(Path.GetFileName).Order(StringComparer.Ordinal),
            files.Keys.Order(StringComparer.Ordinal));
        foreach ((string name, byte[] bytes) in files.Where(file => file.Key != PackReport.Name))
            Assert.Equal(File.ReadAllBytes(_folder.File($"local/{name}")), bytes);
        Assert.Equal((local.Rows, local.Frames, local.Shards, local.IndexBytes, $"{there}/index"),
            (stored.Rows, stored.Frames, stored.Shards, stored.IndexBytes, stored.Index));
        Assert.Equal(local.Sample.WorstPsnr, stored.Sample.WorstPsnr);        // it is read back from the bucket
        Assert.Equal(Frames(_folder.File("local/index")), Frames(stored.Index));

        PackReport again = await PackAsync(there, _ => Assert.Fail("it is complete"));
        Assert.Equal(stored.Sample, again.Sample);
        var refused = await Assert.ThrowsAsync<DataException>(() => PackAsync(there, settings: _settings with { Side = 48 }));
        Assert.Contains("holds another pack", refused.Message, StringComparison.Ordinal);
        Assert.Equal(files.Keys.Order(), Files(there).Keys.Order());
        refused = await Assert.ThrowsAsync<DataException>(() => PackAsync("s3://nowhere/packed"));
        Assert.Contains("there is no such bucket", refused.Message, StringComparison.Ordinal);
    }

    [S3Fact]
    public async Task A_large_file_is_put_in_parts_and_is_what_the_store_lists()
    {
        Assert.NotNull(bucket.Endpoint);
        byte[] bytes = new byte[(40 << 20) + 1];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)((i * 2654435761L) >> 13);
        File.WriteAllBytes(_folder.File("large"), bytes);
        using S3Place place = new(Bucket.At("large/file"), settings: null), folder = new(Bucket.At("large"), settings: null);
        PlaceFacts put = await place.PutAsync(_folder.File("large"), CancellationToken.None);
        Assert.Equal((bytes.Length, ("file", put)), (put.Length, Assert.Single(folder.List())));
        Assert.Equal(bytes, place.ReadAll());
        await place.DeleteAsync(CancellationToken.None);
        Assert.Empty(folder.List());
    }

    private async Task<PackReport> PackAsync(string place, Action<(int Done, int Count)>? progress = null,
        PackSettings? settings = null, CancellationToken stop = default)
    {
        string media = _folder.File("train/videos");
        using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig { Name = "videos", Missing = MissingMedia.Lazy, Media = media,
            Annotations = _folder.File("train/results_train.csv") });
        return await new CorpusPacker(settings ?? _settings, () => FrameReaders.Create(new DecodeLimits()), workers: 2)
            .PackAsync(corpus, media, place, progress is null ? null : new Told(progress), stop);
    }

    private static Dictionary<string, byte[]> Files(string address)
    {
        using var folder = Place.Open(address);
        return folder.List().ToDictionary(file => file.Name, file =>
        {
            using var place = Place.Open(Place.Combine(address, file.Name));
            return place.ReadAll();
        });
    }

    /// <summary>Puts other bytes of the same number in place of a file.</summary>
    private async Task ReplaceAsync(string address)
    {
        using S3Place place = new(address, settings: null);
        File.WriteAllBytes(_folder.File("other"), new byte[place.Length]);
        await place.PutAsync(_folder.File("other"), CancellationToken.None);
    }

    private byte[] Frames(string index)
    {
        using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig { Name = "packed", Annotations = index }, _folder.Path,
            new PlaceSettings { CacheFolder = _folder.File("cache") });
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
        byte[] pixels = new byte[corpus.Count * 2 * 32 * 32 * 3];
        for (int row = 0; row < corpus.Count; row++)
        {
            reader.Open(corpus[row].Media);
            reader.Read([0, 5], 32, 32, ResizeFilter.Bilinear, pixels.AsSpan(row * 2 * 32 * 32 * 3, 2 * 32 * 32 * 3));
        }
        return pixels;
    }

    private sealed class Told(Action<(int Done, int Count)> told) : IProgress<(int Done, int Count)>
    {
        public void Report((int Done, int Count) value) => told(value);
    }
}
