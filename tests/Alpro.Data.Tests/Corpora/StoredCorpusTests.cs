using System.Formats.Tar;
using System.Text;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Data.Tests.Media;
using Alpro.Data.Tests.Places;
using Alpro.Tests.Support.Stores;
using Amazon.Runtime;
using Amazon.S3;

namespace Alpro.Data.Tests.Corpora;

[Collection(Bucket.Collection)]
public sealed class StoredCorpusTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Bucket _bucket;

    public StoredCorpusTests(Bucket bucket)
    {
        _bucket = bucket;
        Directory.CreateDirectory(_folder.File("store/videos/page"));
        File.WriteAllText(_folder.File("store/a.csv"),
            "videoid,name,page_dir\n1,A dog,page\n2,A cat,page\n3,Flat,\n4,Nowhere,page\n5,Out of it,../..\n");
        File.Copy(TestVideos.Get("b-frames"), _folder.File("store/videos/page/1.mp4"));
        File.Copy(TestVideos.Get("header first"), _folder.File("store/videos/2.mp4"));
        File.Copy(TestVideos.Get("open group"), _folder.File("store/videos/3.mp4"));
        using var tar = new TarWriter(File.Create(_folder.File("store/00000.tar")));
        foreach (string name in (string[])["page/1.mp4", "3.mp4"])
        {
            string key = Path.GetFileNameWithoutExtension(name);
            tar.WriteEntry(_folder.File($"store/videos/{name}"), $"{key}.mp4");
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{key}.txt")
            {
                DataStream = new MemoryStream(Encoding.UTF8.GetBytes($"text {key}")),
            });
        }
    }

    private PlaceSettings Settings => new() { CacheFolder = _folder.File("cache"), BackOff = TimeSpan.FromMilliseconds(20) };

    public void Dispose() => _folder.Dispose();

    private VideoTextCorpus Open(string annotations, string? media = null) =>
        VideoTextCorpus.Open(new CorpusConfig { Name = "test", Annotations = annotations, Media = media }, _folder.Path, Settings);

    private byte[] Frames(MediaSource media)
    {
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits { Places = Settings, Tries = 1 });
        reader.Open(media);
        byte[] pixels = new byte[2 * 32 * 32 * 3];
        reader.Read([3, 50], 32, 32, ResizeFilter.Bilinear, pixels);
        return pixels;
    }

    /// <summary>Rows and frames of the annotations and of the shard are those that a disk gives.</summary>
    private void IsAsOnDisk(string store, bool listed)
    {
        using VideoTextCorpus here = Open(_folder.File("store/a.csv"), _folder.File("store/videos"));
        using (VideoTextCorpus there = Open($"{store}/a.csv", $"{store}/videos"))
        {
            Assert.True(there.IsStored);
            Assert.StartsWith(_folder.File("cache"), there.NewIndex);
            Assert.Equal(here.Coverage with { Missing = listed ? 1 : 0 }, there.Coverage);
            for (int row = 0; row < here.Count; row++)
            {
                Assert.Equal((here[row].Key, here[row].Captions[0]), (there[row].Key, there[row].Captions[0]));
                Assert.Equal(Frames(here[row].Media), Frames(there[row].Media));
            }
            if (!listed)
                Assert.Equal(RejectReason.Missing, Assert.Throws<UnreadableClipException>(() => Frames(there[3].Media)).Reason);
        }
        using (VideoTextCorpus again = Open($"{store}/a.csv", $"{store}/videos")) Assert.Null(again.NewIndex);
        using VideoTextCorpus shard = Open($"{store}/00000.tar");
        Assert.Equal(["00000/1", "00000/3"], [shard[0].Key, shard[1].Key]);
        Assert.Equal(Frames(here[0].Media), Frames(shard[0].Media));
        Assert.Equal(Frames(here[2].Media), Frames(shard[1].Media));
        VideoTextCorpus.RequireReadable(new() { Name = "test", Annotations = $"{store}/a.csv", Media = $"{store}/videos" });
        Assert.Contains("absent.csv", Assert.Throws<DataException>(() => Open($"{store}/absent.csv")).Message);
    }

    [Fact]
    public void Corpus_of_a_web_server_is_that_of_a_disk_and_notices_new_annotations()
    {
        using var server = new FileServer(_folder.File("store"));
        IsAsOnDisk($"http://127.0.0.1:{server.Port}", listed: false);
        File.AppendAllText(_folder.File("store/a.csv"), "6,Another,\n");
        using VideoTextCorpus changed = Open($"http://127.0.0.1:{server.Port}/a.csv", $"http://127.0.0.1:{server.Port}/videos");
        Assert.Equal(5, changed.Count);
        Assert.NotNull(changed.NewIndex);
        string message = Assert.Throws<DataException>(() => Open($"http://127.0.0.1:{server.Port}/shards/?token=secret")).Message;
        Assert.Contains("does not list", message);
        Assert.DoesNotContain("secret", message);
    }

    [NginxFact]
    public void Corpus_of_nginx_is_that_of_a_disk()
    {
        using StoreProcess nginx = StoreProcess.Nginx(_folder.File("store"));
        IsAsOnDisk($"http://127.0.0.1:{nginx.Port}", listed: false);
    }

    [S3Fact]
    public async Task Corpus_of_a_bucket_is_that_of_a_disk_and_is_listed()
    {
        string endpoint = _bucket.Endpoint;
        using (AmazonS3Client client = S3Place.Client(new BasicAWSCredentials(StoreProcess.Key, StoreProcess.Key), endpoint))
            await StoreProcess.UploadAsync(client, _folder.File("store"));
        IsAsOnDisk($"s3://{StoreProcess.Bucket}", listed: true);
        using VideoTextCorpus shards = Open($"s3://{StoreProcess.Bucket}/");
        Assert.Equal(2, shards.Count);

        using Place anonymous = new S3Place($"s3://{StoreProcess.Bucket}/a.csv", Settings with { CacheFolder = null },
            S3Place.Client(new AnonymousAWSCredentials(), endpoint));
        Assert.Equal(File.ReadAllBytes(_folder.File("store/a.csv")), anonymous.ReadAll());
        using Place stranger = new S3Place($"s3://{StoreProcess.Bucket}/a.csv", Settings with { CacheFolder = null },
            S3Place.Client(new BasicAWSCredentials("wrong", StoreProcess.Key), endpoint));
        Assert.Equal(PlaceFault.Denied, Assert.Throws<PlaceException>(() => stranger.ReadAll()).Fault);
        using Place nowhere = new S3Place("s3://another/a.csv", Settings, S3Place.Client(new AnonymousAWSCredentials(), endpoint));
        Assert.Equal(PlaceFault.Missing, Assert.Throws<PlaceException>(() => nowhere.ReadAll()).Fault);
    }
}
