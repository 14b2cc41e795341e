using System.Formats.Tar;
using Alpro.Data.Places;
using Alpro.Tests.Support.Stores;

namespace Alpro.Data.Tests.Places;

public sealed class RemotePlaceTests : IDisposable
{
    private const int Length = 3_000_000;

    private readonly TemporaryFolder _folder = new();
    private readonly FileServer _server;
    private readonly FaultProxy _proxy;
    private readonly byte[] _bytes = new byte[Length];
    private readonly PlaceSettings _hasty = new()
    {
        TryTime = TimeSpan.FromSeconds(1),
        BackOff = TimeSpan.FromMilliseconds(5),
        Deadline = TimeSpan.FromSeconds(30),
    };

    public RemotePlaceTests()
    {
        for (int i = 0; i < Length; i++) _bytes[i] = (byte)((i * 2654435761L) >> 13);
        File.WriteAllBytes(_folder.File("a b.mp4"), _bytes);
        File.WriteAllBytes(_folder.File("empty"), []);
        _server = new FileServer(_folder.Path);
        _proxy = new FaultProxy(_server.Port);
    }

    private string Folder => $"http://127.0.0.1:{_proxy.Port}";

    public void Dispose()
    {
        _proxy.Dispose();
        _server.Dispose();
        _folder.Dispose();
    }

    private Place Open(string name = "a b.mp4") => Place.Open(Place.Combine(Folder, name), _hasty);

    private byte[] Read(Place place, long position, int count)
    {
        byte[] bytes = new byte[count];
        place.Read(position, bytes);
        return bytes;
    }

    private static PlaceException Refusal(Action read) => Assert.Throws<PlaceException>(read);

    [Fact]
    public void Bytes_are_those_of_the_file()
    {
        using Place place = Open();
        Assert.Equal(Length, place.Length);
        foreach ((int start, int count) in new[] { (0, 10), (65_530, 20), (1_000_000, 500_000), (Length - 5, 5), (3, 2_999_997) })
            Assert.Equal(_bytes.AsSpan(start, count).ToArray(), Read(place, start, count));
        Assert.Equal(PlaceFault.Truncated, Refusal(() => Read(place, Length - 5, 6)).Fault);
        place.Download(_folder.File("copy"));
        Assert.Equal(_bytes, File.ReadAllBytes(_folder.File("copy")));
        using Place empty = Open("empty");
        Assert.Equal(0, empty.Length);
    }

    [Theory]
    [InlineData(StoreFault.Reset)]
    [InlineData(StoreFault.Truncated)]
    [InlineData(StoreFault.Slow)]
    [InlineData(StoreFault.Unavailable)]
    [InlineData(StoreFault.TooMany)]
    public void What_may_pass_is_asked_again(StoreFault fault)
    {
        _proxy.Faults = request => request <= 2 ? fault : StoreFault.None;
        using Place place = Open();
        Assert.Equal(_bytes.AsSpan(70_000, 50_000).ToArray(), Read(place, 70_000, 50_000));
        Assert.Equal(3, _proxy.Requests);
    }

    [Theory]
    [InlineData("absent.mp4", StoreFault.None, PlaceFault.Missing)]
    [InlineData("denied.mp4", StoreFault.None, PlaceFault.Denied)]
    [InlineData("a b.mp4", StoreFault.WrongRange, PlaceFault.Refused)]
    [InlineData("a b.mp4", StoreFault.NoRange, PlaceFault.Refused)]
    public void What_stays_as_it_is_is_asked_once(string name, StoreFault fault, PlaceFault expected)
    {
        _proxy.Faults = _ => fault;
        using Place place = Open(name);
        Assert.Equal(expected, Refusal(() => Read(place, 70_000, 10)).Fault);
        Assert.Equal(1, _proxy.Requests);
    }

    [Fact]
    public void A_store_that_stays_away_is_given_up_at_the_deadline_and_secrets_are_not_told()
    {
        _proxy.Faults = static _ => StoreFault.Unavailable;
        using Place place = Place.Open($"http://name:word9@127.0.0.1:{_proxy.Port}/a?signature=hush",
            _hasty with { Deadline = TimeSpan.FromMilliseconds(300) });
        PlaceException refusal = Refusal(() => Read(place, 0, 1));
        Assert.Equal(PlaceFault.Unreachable, refusal.Fault);
        Assert.Contains($"http://127.0.0.1:{_proxy.Port}/a: ", refusal.Message);
        Assert.Contains("503", refusal.Message);
        Assert.DoesNotContain("hush", refusal.ToString());
        Assert.DoesNotContain("word9", refusal.ToString());
        Assert.True(_proxy.Requests > 2);
    }

    [Fact]
    public async Task A_store_that_comes_back_costs_waiting_alone()
    {
        using Place place = Open();
        Read(place, 0, 10);
        _proxy.Stop();
        long before = RemotePlace.Traffic.Requests;
        Task<byte[]> reading = Task.Run(() => Read(place, 1_000_000, 100_000));
        while (RemotePlace.Traffic.Requests < before + 5) await Task.Delay(5);
        Assert.False(reading.IsCompleted);
        _proxy.Start();
        Assert.Equal(_bytes.AsSpan(1_000_000, 100_000).ToArray(), await reading);
    }

    [Fact]
    public async Task An_outage_is_said_once_with_its_reason_and_so_is_its_end()
    {
        List<string> said = [];
        (StoreNews.Away, StoreNews.Back) = (OnAway, OnBack);
        try
        {
            using Place place = Place.Open($"{Folder}/a%20b.mp4", _hasty with { Notice = TimeSpan.FromMilliseconds(100) });
            _proxy.Faults = request => request <= 3 ? StoreFault.Unavailable : StoreFault.None;
            Read(place, 0, 10);
            Assert.Empty(said);                                          // a few failures are no outage
            _proxy.Faults = static _ => StoreFault.Unavailable;
            Task reading = Task.Run(() => Parallel.For(0, 3, i =>
            {
                using Place other = Place.Open($"{Folder}/a%20b.mp4", _hasty with { Notice = TimeSpan.FromMilliseconds(100) });
                Read(other, i * 100_000, 10);
            }));
            while (said.Count == 0) await Task.Delay(5);
            int before = _proxy.Requests;
            while (_proxy.Requests < before + 10) await Task.Delay(5);
            Assert.Equal([$"{Folder} away: the store answers 503 ServiceUnavailable"], said);
            _proxy.Faults = static _ => StoreFault.None;
            await reading;
            Assert.Equal([$"{Folder} away: the store answers 503 ServiceUnavailable", $"{Folder} back"], said);
        }
        finally
        {
            (StoreNews.Away, StoreNews.Back) = (null, null);
        }

        void OnAway(string store, string reason, TimeSpan lasted)
        {
            if (store == Folder && lasted >= TimeSpan.FromMilliseconds(100)) said.Add($"{store} away: {reason}");
        }

        void OnBack(string store, TimeSpan lasted)
        {
            if (store == Folder && lasted >= TimeSpan.FromMilliseconds(100)) said.Add($"{store} back");
        }
    }

    [Fact]
    public void A_host_without_an_address_that_was_never_reached_is_not_waited_for()
    {
        using Place place = Place.Open("http://nohost.invalid/a.mp4", _hasty with { NameTime = TimeSpan.FromMilliseconds(300) });
        PlaceException refusal = Refusal(() => Read(place, 0, 1));
        Assert.Equal(PlaceFault.Missing, refusal.Fault);
        Assert.Contains("its host is not found, and was never reached", refusal.Message);
    }

    [Fact]
    public void Members_of_a_tar_file_are_found_with_few_requests()
    {
        using (var tar = new TarWriter(File.Create(_folder.File("small.tar"))))
            for (int i = 0; i < 2000; i++) Add(tar, $"{i}.mp4", 3000);
        using (var tar = new TarWriter(File.Create(_folder.File("large.tar"))))
            for (int i = 0; i < 10; i++) Add(tar, $"{i}.mp4", 1_000_000);
        Assert.Equal((2000, 9), Walk("small.tar"));                      // 8 MB, read through in growing steps
        Assert.Equal((10, 11), Walk("large.tar"));                       // one for each member, and what they hold is not read
        Assert.InRange(_proxy.Bytes, 1, 11 * 32 << 10);

        static void Add(TarWriter tar, string name, int bytes) => tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
        {
            DataStream = new MemoryStream(new byte[bytes]),
        });

        (int Members, int Requests) Walk(string name)
        {
            _proxy.Reset();
            using var reader = new TarReader(PlaceStream.Open(Place.Combine(Folder, name)));
            int members = 0;
            while (reader.GetNextEntry() is not null) members++;
            return (members, _proxy.Requests);
        }
    }

    [Fact]
    public void Neighbours_are_one_request_and_nothing_else_is_fetched()
    {
        using Place place = Open();
        place.Fetch([new(1000, 500), new(1500, 700), new(9000, 100), new(500_000, 2000), new(2_000_000, 1)]);
        Assert.Equal((3, 9100 - 1000 + 2000 + 1), (_proxy.Requests, (int)_proxy.Bytes));
        Assert.Equal(_bytes.AsSpan(1000, 1200).ToArray(), Read(place, 1000, 1200));
        Assert.Equal(_bytes.AsSpan(500_000, 2000).ToArray(), Read(place, 500_000, 2000));
        Assert.Equal(_bytes.AsSpan(2_000_000, 1).ToArray(), Read(place, 2_000_000, 1));
        Assert.Equal(3, _proxy.Requests);
    }

    [Fact]
    public void Nothing_is_read_ahead_beyond_the_stretch()
    {
        using Place place = Open();
        place.StayWithin(new ByteRange(100_000, 5000));
        Read(place, 100_000, 10);
        Read(place, 104_990, 10);
        Assert.Equal((1, 5000), (_proxy.Requests, (int)_proxy.Bytes));
    }

    [Fact]
    public void A_stream_reads_and_seeks_as_the_file_does()
    {
        using Stream there = PlaceStream.Open(Place.Combine(Folder, "a b.mp4"));
        there.Seek(-10, SeekOrigin.End);
        byte[] end = new byte[20];
        Assert.Equal(10, there.Read(end));
        there.Position = 0;
        using var all = new MemoryStream();
        there.CopyTo(all);
        Assert.Equal(_bytes, all.ToArray());
        Assert.InRange(_proxy.Requests, 2, 9);                            // what is read on and on is asked for in growing steps
    }

    [Fact]
    public void Addresses_are_joined_and_named_as_they_are()
    {
        Assert.Equal("http://h/a/b%20c/d.mp4?sig=x", Place.Combine("http://h/a?sig=x", "b c/d.mp4"));
        Assert.Equal("s3://bucket/a/b c/d?.mp4", Place.Combine("s3://bucket/a/", "b c/d?.mp4"));
        Assert.Equal("/a/b/c", Place.Combine("/a/b", "c"));
        Assert.Equal("http://h/a?sig=x", Place.FolderOf("http://h/a/b.csv?sig=x"));
        Assert.Equal("s3://bucket", Place.FolderOf("s3://bucket/b.csv"));
        Assert.Equal("https://h/a", Place.NameOf("https://user:word@h/a?sig=x#y"));
        Assert.Contains("ftp://h/a", Assert.Throws<DataException>(() => Place.Open("ftp://h/a")).Message);
    }
}
