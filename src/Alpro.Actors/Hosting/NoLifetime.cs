using Microsoft.Extensions.Hosting;

namespace Alpro.Actors.Hosting;

/// <summary>The command line decides what Ctrl-C does, not a host.</summary>
internal sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
