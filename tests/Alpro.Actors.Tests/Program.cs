using System.Runtime.InteropServices;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Tests.Support.Events;
using Alpro.Training.Configuration;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Tests;

/// <summary>The test assembly is also a program: a run whose GPU fails under the trainer.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is not ["lose-device", string config, string folder]) return 2;
        using var log = new EventCollector(logged =>
        {
            if (logged.Level >= LogLevel.Error) Console.Error.WriteLine($"alpro: {logged.Message}");
            // It is logged on the trainer's thread.
            if (logged.Name == nameof(ActorEvents.SettingChanged))
                throw new ExternalException(
                    "CUDA error: an illegal memory access was encountered\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1");
        });
        await using RunHost host = await RunHost.StartAsync(log: log);
        await host.TrainAsync(new(ConfigLoader.Load(config), new(folder), Resume: true), default);
        return 0;
    }
}
