using System.Diagnostics.Metrics;
using Alpro.Data.Places;
using Alpro.Tests.Support.Stores;

namespace Alpro.Data.Tests.Places;

public sealed class RangeCacheTests : IDisposable
{
    private const string Address = "http://h/a.mp4";
    private const long FileLength = 1L << 40;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private RangeCache Cache(long size = 1L << 30) => RangeCache.At(_folder.File("cache"), size);

    private string[] Files() => [.. Directory.EnumerateFiles(_folder.File("cache"), "*", SearchOption.AllDirectories)
        .Where(file => Path.GetFileName(file) != "lock")];

    private static byte[] Bytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = (byte)(((seed * 7919L) + i) * 2654435761L >> 17);
        return bytes;
    }

    private static byte[] Read(RangeCache cache, long position, int count, string address = Address)
    {
        byte[] bytes = new byte[count];
        return bytes[..cache.Read(address, position, bytes)];
    }

    [Fact]
    public void What_was_kept_is_read_back_over_the_borders_of_records_and_segments()
    {
        RangeCache cache = Cache();
        byte[] bytes = Bytes(1, 5_000_000);
        cache.Add(Address, 1_000_000, bytes.AsSpan(0, 2_500_000), FileLength);
        cache.Add(Address, 3_500_000, bytes.AsSpan(2_500_000), FileLength);
        Assert.Equal(bytes, Read(cache, 1_000_000, 6_000_000));
        Assert.Equal(bytes.AsSpan(2_400_000, 200_000).ToArray(), Read(cache, 3_400_000, 200_000));
        Assert.Empty(Read(cache, 999_999, 10));
        Assert.Empty(Read(cache, 1_000_000, 10, "http://h/b.mp4"));
        cache.Add(Address, 0, bytes.AsSpan(0, 1), FileLength);
        Assert.Equal(FileLength, cache.LengthOf(Address));
        Assert.Null(cache.LengthOf("http://h/b.mp4"));
    }

    [Fact]
    public void Bytes_that_changed_on_disk_are_not_given_out()
    {
        RangeCache cache = Cache();
        cache.Add(Address, 0, Bytes(1, 1000), FileLength);
        string file = Assert.Single(Files());
        byte[] content = File.ReadAllBytes(file);
        content[^100] ^= 1;
        File.WriteAllBytes(file, content);
        Assert.Empty(Read(cache, 0, 1000));
        cache.Add(Address, 0, Bytes(1, 1000), FileLength);
        Assert.Equal(Bytes(1, 1000), Read(cache, 0, 1000));
    }

    [Fact]
    public void A_record_that_a_killed_process_left_half_written_costs_itself_alone()
    {
        RangeCache cache = Cache();
        cache.Add(Address, 0, Bytes(1, 1000), FileLength);
        cache.Add(Address, 5000, Bytes(2, 1000), FileLength);
        string file = Assert.Single(Files());
        using (FileStream torn = new(file, FileMode.Open)) torn.SetLength(torn.Length - 300);
        Assert.Equal(Bytes(1, 1000), Read(cache, 0, 1000));
        Assert.Empty(Read(cache, 5000, 1000));
        cache.Add(Address, 5000, Bytes(2, 1000), FileLength);
        Assert.Equal(Bytes(2, 1000), Read(cache, 5000, 1000));
    }

    [Fact]
    public void It_stays_within_its_size_and_what_was_used_last_stays()
    {
        const long size = 16 << 20;
        RangeCache cache = Cache(size);
        for (int i = 0; i < 100; i++)
        {
            cache.Add($"http://h/{i}", 0, Bytes(i, 500_000), FileLength);
            Assert.Equal(Bytes(0, 10), Read(cache, 0, 10, "http://h/0"));
            Assert.InRange(Files().Sum(file => new FileInfo(file).Length), 0, size);
        }
        Assert.Equal(Bytes(99, 500_000), Read(cache, 0, 500_000, "http://h/99"));
        Assert.Empty(Read(cache, 0, 10, "http://h/1"));
    }

    [Fact]
    public void Many_that_write_and_read_at_once_never_see_wrong_bytes()
    {
        RangeCache cache = Cache(size: 4 << 20);
        Parallel.For(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            int which = i % 37, part = i % 5 * 10_000;
            byte[] bytes = Bytes(which, 60_000);
            cache.Add($"http://h/{which}", part, bytes.AsSpan(part, 10_000), FileLength);
            byte[] read = Read(cache, 0, 60_000, $"http://h/{which}");
            Assert.Equal(bytes.AsSpan(0, read.Length).ToArray(), read);
        });
    }

    [Fact]
    public void What_is_cached_is_asked_of_nobody()
    {
        byte[] bytes = Bytes(3, 400_000);
        File.WriteAllBytes(_folder.File("a.mp4"), bytes);
        using var server = new FileServer(_folder.Path);
        using var proxy = new FaultProxy(server.Port);
        PlaceSettings settings = new() { CacheFolder = _folder.File("cache") };
        for (int epoch = 0; epoch < 2; epoch++)
        {
            using Place place = Place.Open($"http://127.0.0.1:{proxy.Port}/a.mp4", settings);
            byte[] all = new byte[bytes.Length];
            Assert.Equal(bytes.Length, place.Length);
            place.Read(0, all);
            Assert.Equal(bytes, all);
            place.Fetch([new(100, 100), new(300_000, 500)]);
        }
        Assert.Equal(bytes.Length, proxy.Bytes);
    }

    [Fact]
    public void A_cache_that_cannot_be_written_is_said_once_counted_and_costs_nothing_else()
    {
        Directory.CreateDirectory(_folder.File("cache/ranges"));
        for (int i = 0; i < 256; i++) File.WriteAllText(_folder.File($"cache/ranges/{i:x2}"), "no folder");
        List<string> said = [];
        int counted = 0;
        using MeterListener listener = new();
        listener.InstrumentPublished = (one, self) => { if (one.Name == "alpro.cache.failures") self.EnableMeasurementEvents(one); };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref counted, (int)value));
        listener.Start();
        StoreNews.Unwritable = (folder, _) => { if (folder.StartsWith(_folder.Path)) said.Add(folder); };
        RangeCache cache = Cache();
        for (int i = 0; i < 3; i++) cache.Add(Address, i * 1000, Bytes(i, 1000), FileLength);
        StoreNews.Unwritable = null;
        Assert.Equal([_folder.File("cache/ranges")], said);
        Assert.True(counted >= 3);
        Assert.Empty(Read(cache, 0, 10));
    }

    [Fact]
    public void Memory_stays_bounded_over_a_file_that_is_much_larger()
    {
        using var server = new FileServer(_folder.Path);
        using (FileStream large = new(_folder.File("large"), FileMode.Create)) large.SetLength(80 << 20);
        PlaceSettings settings = new() { CacheFolder = _folder.File("cache"), CacheSize = 16 << 20 };
        using Place place = new HttpPlace($"http://127.0.0.1:{server.Port}/large", settings);
        byte[] step = new byte[1 << 20];
        for (long position = 0; position < 80 << 20; position += step.Length) place.Read(position, step);
        Assert.InRange(((RemotePlace)place).BytesHeld, 1, 32 << 20);
        Assert.InRange(Files().Sum(file => new FileInfo(file).Length), 1, 16 << 20);
    }
}
