using Alpro.Data.Synthetic;

namespace Alpro.Tests.Support.Runs;

/// <summary>A synthetic world that all tests of a class read.</summary>
public sealed class SmallWorld : IAsyncLifetime
{
    public TemporaryFolder Folder { get; } = new();

    public async Task InitializeAsync() =>
        await SyntheticWorld.CreateAsync(
            Folder.Path, new SyntheticWorldSettings { Clips = 24, TestClips = 4, Seed = 3 }, null, CancellationToken.None);

    public Task DisposeAsync()
    {
        Folder.Dispose();
        return Task.CompletedTask;
    }
}
