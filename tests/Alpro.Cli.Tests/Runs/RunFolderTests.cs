using Alpro.Actors;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Cli.Tests.Commands;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Records;

namespace Alpro.Cli.Tests.Runs;

/// <summary>Who may write in a run's folder.</summary>
public sealed class RunFolderTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    /// <summary>A clock that goes twenty times as fast: others are waited for so much less.</summary>
    private sealed class FastTime : TimeProvider
    {
        public override long TimestampFrequency => base.TimestampFrequency / 20;
    }

    private Task<RunFolder> HoldAsync(string? cluster, TimeProvider? time = null) =>
        RunFolder.HoldAsync(_out.File("run"), cluster, time ?? TimeProvider.System, CancellationToken.None);

    private Task<UsageException> RefusedAsync(string? cluster) =>
        Assert.ThrowsAsync<UsageException>(() => HoldAsync(cluster, new FastTime()));

    [Fact]
    public async Task Folder_is_one_processs_alone_until_it_lets_go()
    {
        using (await HoldAsync(null))
        {
            var refused = await RefusedAsync(null);
            Assert.Contains($"{_out.File("run")}: is written by process {Environment.ProcessId} on {Environment.MachineName}, which began at 20", refused.Message, StringComparison.Ordinal);
            await RefusedAsync("host:4053");
        }
        (await HoldAsync(null)).Dispose();
    }

    [Fact]
    public async Task Nodes_of_one_cluster_share_a_folder_and_those_of_another_are_refused()
    {
        RunFolder[] held = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => HoldAsync("host:4053"))));
        var refused = await RefusedAsync("host:5053");
        Assert.Contains("and the others of the cluster of host:4053", refused.Message, StringComparison.Ordinal);
        await RefusedAsync(null);
        foreach (RunFolder node in held) node.Dispose();
        (await HoldAsync("host:5053")).Dispose();
    }

    [Fact]
    public async Task Same_command_is_refused_while_the_first_lives_and_one_that_was_killed_holds_nothing()
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 100_000);
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--out", _out.File("run"), "--resume", "--decoders", "1"];
        using NodeProcess first = NodeProcess.StartProgram(command);
        while (!File.Exists(RunLog.StepsFile(_out.File("run")))) await Task.Delay(20);
        (int code, _, string errors) = AlproProgram.Run(command);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains($"is written by process {first.Id} on {Environment.MachineName}", errors, StringComparison.Ordinal);
        first.Kill();
        await first.EndAsync();
        (await HoldAsync(null)).Dispose();
    }
}
