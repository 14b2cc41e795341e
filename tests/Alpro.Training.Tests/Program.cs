using System.Runtime.InteropServices;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Tests.Collectives;
using Alpro.Training.Tests.Devices;
using static TorchSharp.torch;

namespace Alpro.Training.Tests;

/// <summary>
/// The test assembly is also a program: a rank of a group, in a process that can be killed, and steps in a process whose native heap, or
/// whose calls into libtorch, are counted.
/// </summary>
internal static unsafe class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is ["rank"])
        {
            RankProcess.Serve();
            return 0;
        }
        if (arguments is ["entry-points"])
        {
            EntryPointTests.Print();
            return 0;
        }
        if (arguments is not ["step-memory", string task, string precision, string recomputing]) return 2;
        RunConfig config = StepMemoryTests.Config(Enum.Parse<LearningTask>(task), Enum.Parse<Precision>(precision),
            bool.Parse(recomputing));
        var restart = (delegate* unmanaged<void>)Export("heap_restart");
        var live = (delegate* unmanaged<long>)Export("heap_live");
        var peak = (delegate* unmanaged<long>)Export("heap_peak");
        Train();                                                     // what libraries keep for good is there
        long before = live();
        restart();
        Train();
        Console.Out.WriteLine(peak() - before);
        return 0;

        void Train()
        {
            using AlproModel model = RunModel.Create(config, CPU);
            using Trainer trainer = TinyRun.Trainer(config, new(), model: model);
            trainer.Join(new SoloGroup());
            // and no snapshot at the end, which a GPU's memory does not hold
            for (long step = 0; step < config.Training.Steps; step++)
            {
                using ClipBatch batch = TinyRun.Batch(config, step);
                trainer.Advance(batch, default);
            }
        }

        static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), name);
    }
}
