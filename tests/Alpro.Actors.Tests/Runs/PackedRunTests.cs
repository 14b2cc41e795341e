using Alpro.Actors.Hosting;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Runs;

/// <summary>Runs on a packed corpus, one clip of which has other bytes than when it was packed.</summary>
public sealed class PackedRunTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Run_that_was_stopped_and_resumed_gives_the_losses_and_accounts_of_one_that_was_not()
    {
        RunConfig config = await PackAsync();
        RunResult whole = await SmallRun.TrainAsync(config, _out.File("whole"));
        using var stop = new CancellationTokenSource();
        RunResult first = await SmallRun.TrainAsync(config, _out.File("parts"), decoders: 3, stop: stop.Token, stepped: record =>
        {
            if (record.Step == 6) stop.Cancel();
        });
        Assert.False(first.Completed);
        RunResult second = await SmallRun.TrainAsync(config, _out.File("parts"), decoders: 2, resume: true);
        Assert.Equal((true, 12), (second.Completed, Losses("whole").Length));
        Assert.Equal(Losses("whole"), Losses("parts"));
        Assert.Equal(whole.Accounts, second.Accounts);
        Assert.True(whole.Accounts.Rejected > 0);
        string list = await File.ReadAllTextAsync(new RunFolder(_out.File("whole")).Unreadable);
        Assert.Contains($"Corrupt,\"{PackedClip.Altered}\"", list, StringComparison.Ordinal);
    }

    private double[] Losses(string folder) =>
        [.. RunLog.Read<StepRecord>(new RunFolder(_out.File(folder)).Steps).Select(record => record.Loss)];

    private async Task<RunConfig> PackAsync()
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 12);
        CorpusConfig source = ConfigLoader.Load(_out.File("config.json"), []).Data.Corpora[0];
        using (VideoTextCorpus corpus = VideoTextCorpus.Open(source))
            await new CorpusPacker(new() { Side = 64, RateFactor = 0.5 }, () => FrameReaders.Create(new DecodeLimits()), workers: 2)
                .PackAsync(corpus, source.Media!, _out.File("pack"));
        string index = _out.File("pack/index");
        using (VideoTextCorpus packed = VideoTextCorpus.Open(new() { Name = "packed", Annotations = index }))
        {
            MediaSource media = packed[3].Media;
            using FileStream shard = File.OpenWrite(media.Path);
            shard.Position = media.Offset + media.Packed!.First;
            shard.Write(new byte[media.Length - media.Packed.First]);
        }
        return ConfigLoader.Load(_out.File("config.json"), [$"data.corpora[0].annotations={index}", "data.corpora[0].media=null",
            "data.corpora[0].format=auto"]);
    }
}
