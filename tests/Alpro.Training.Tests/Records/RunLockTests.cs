using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

/// <summary>Who may write in a run's folder.</summary>
public sealed class RunLockTests : IDisposable
{
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    /// <summary>A clock that goes twenty times as fast: others are waited for so much less.</summary>
    private sealed class FastTime : TimeProvider
    {
        public override long TimestampFrequency => base.TimestampFrequency / 20;
    }

    private Task<RunLock> HoldAsync(string? cluster, TimeProvider? time = null) =>
        RunLock.HoldAsync(new(_out.File("run")), cluster, time ?? TimeProvider.System, CancellationToken.None);

    private Task<RunFolderHeldException> RefusedAsync(string? cluster) =>
        Assert.ThrowsAsync<RunFolderHeldException>(() => HoldAsync(cluster, new FastTime()));

    [Fact]
    public async Task Folder_is_one_processs_alone_until_it_lets_go()
    {
        using (await HoldAsync(null))
        {
            var refused = await RefusedAsync(null);
            Assert.Contains($"{_out.File("run")}: is written by process {Environment.ProcessId} on {Environment.MachineName}, which began "
                + "at 20", refused.Message, StringComparison.Ordinal);
            await RefusedAsync("host:4053");
        }
        (await HoldAsync(null)).Dispose();
    }

    [Fact]
    public async Task Nodes_of_one_cluster_share_a_folder_and_those_of_another_are_refused()
    {
        RunLock[] held = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => HoldAsync("host:4053"))));
        var refused = await RefusedAsync("host:5053");
        Assert.Contains("and the others of the cluster of host:4053", refused.Message, StringComparison.Ordinal);
        await RefusedAsync(null);
        foreach (RunLock node in held) node.Dispose();
        (await HoldAsync("host:5053")).Dispose();
    }

    [Fact]
    public async Task Folder_that_cannot_be_made_is_no_folder_that_others_hold()
    {
        File.WriteAllText(_out.File("run"), "a file");
        await Assert.ThrowsAnyAsync<IOException>(() => HoldAsync(null));
    }
}
