using System.Runtime.InteropServices;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Training.Configuration;

namespace Alpro.Actors.Tests;

/// <summary>The test assembly is also a program: a run whose GPU fails under the trainer.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is not ["lose-device", string config, string folder]) return 2;
        await using RunHost host = await RunHost.StartAsync();
        // What a changed setting is told by is on the trainer's thread.
        await host.TrainAsync(new(ConfigLoader.Load(config), new(folder), Resume: true)
        {
            Warn = _ => throw new ExternalException("CUDA error: an illegal memory access was encountered\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"),
        }, default);
        return 0;
    }
}
