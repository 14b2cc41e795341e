using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Alpro.Data.Clips;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Model.Arithmetic.Kernels;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>
/// <c>step [torch | halves] CLIPS</c>: full-size pretraining steps, all four losses, in mixed precision: each phase alone, then steps end
/// to end; what they take of the memory, beside the count. With <c>torch</c>, by operations of libtorch alone; with <c>halves</c>, with
/// weights in bfloat16.
/// <c>step trace CLIPS FILE</c> writes which kernels run, by a library that CUDA_INJECTION64_PATH names.
/// </summary>
internal static class StepStage
{
    private const int Warm = 12, Steps = 10;                         // until the program has been compiled as well as it will be

    // Before anything had run on a GPU: 16 clips of 4 frames on an H200.
    private static readonly Dictionary<int, double> _predicted = new() { [16] = 62, [64] = 200 };

    public static void Run(string[] args)
    {
        bool traces = args[0] == "trace";
        int clips = int.Parse(args[traces ? 1 : ^1], CultureInfo.InvariantCulture);
        Measure(clips, kernels: args[0] != "torch", halves: traces || args[0] == "halves", traces ? args[2] : null);
    }

    private static void Measure(int clips, bool kernels, bool halves, string? trace = null)
    {
        using (zeros(1, device: GpuCheck.Device)) { }                // makes CUDA's context
        long idle = UsedBytes();
        var config = new ModelConfig();
        using var model = (AlproForPretrain)new AlproForPretrain(config).to(GpuCheck.Device);
        foreach (AlproModel part in new AlproModel[] { model, ((AlproForPretrain)model).prompter })
            part.visual_encoder.model.UsesKernels = kernels;
        using var parameters = new FlatParameters(model, halves);
        using var optimizer = new AdamW(parameters, new OptimizerConfig());
        using var scope = NewDisposeScope();
        ModelInputs inputs = StepBenchmark.Inputs(config, clips, GpuCheck.Device);
        Tensor sound = TensorOps.Constant(1, GpuCheck.Device, ScalarType.Float64);
        double flops = new StepFlops(config, clips, StepBenchmark.Length, StepBenchmark.MaskedPerText * clips).Step;
        string name = $"step, {clips} clips, bf16{(kernels ? "" : ", libtorch alone")}{(halves ? " weights" : "")}";

        Tensor Forward()
        {
            using (Autocast.Set(GpuCheck.Device.type, on: true)) return model.Forward(inputs).Total;
        }
        void Update()
        {
            parameters.Collect();
            optimizer.StepOnDevice(1e-4, optimizer.GradientNorm(), 20, sound);
        }

        if (trace is not null)
        {
            void Step() { using (NewDisposeScope()) { Forward().backward(); Update(); } }
            for (int i = 0; i < Warm; i++) Step();
            GpuCheck.Wait();
            nint library = NativeLibrary.Load(Environment.GetEnvironmentVariable("CUDA_INJECTION64_PATH")!);
            unsafe
            {
                ((delegate* unmanaged<void>)NativeLibrary.GetExport(library, "trace_start"))();
                for (int i = 0; i < Steps; i++) Step();
                GpuCheck.Wait();
                fixed (byte* path = System.Text.Encoding.UTF8.GetBytes(trace + '\0')) ((delegate* unmanaged<byte*, int,
                    void>)NativeLibrary.GetExport(library, "trace_report"))(path, Steps);
            }
            return;
        }

        var phases = new List<(double Host, double Whole)>[] { [], [], [] };
        for (int step = 0; step < Warm + 5; step++)
            using (NewDisposeScope())
            {
                Tensor loss = null!;
                foreach ((Action phase, int index) in new (Action, int)[] { (() => loss = Forward(), 0), (() => loss.backward(), 1),
                    (Update, 2) })
                    (step < Warm ? [] : phases[index]).Add(Timed(phase));
            }
        string[] names = ["forward", "backward", "update"];
        for (int i = 0; i < 3; i++)
            GpuCheck.Report(new($"{name}: {names[i]}", Median(phases[i].Select(phase => phase.Whole)),
                Note: $"host {Median(phases[i].Select(phase => phase.Host)):F1} ms"));

        double whole = GpuCheck.Queued(() => { using (NewDisposeScope()) { Forward().backward(); Update(); } }, Steps, 3);
        GpuCheck.Report(new(name, whole, flops / whole / 1e9,
            _predicted.GetValueOrDefault(clips) is > 0 and var predicted ? predicted : null,
            $"{clips / whole * 1000:F0} clips/s, {flops / 1e12:F2} TFLOP"));
        double peak = (UsedBytes() - idle) / 1e9, counted = Counted(config, clips, halves) / 1e9;
        string memory = $"{peak:F1} GB beside CUDA's own {idle / 1e9:F1}; {counted:F1} by count";
        GpuCheck.Report(new($"{name}: memory at its peak", Note: memory));
    }

    /// <summary>What <c>alpro doctor</c> counts for the same step.</summary>
    private static long Counted(ModelConfig model, int clips, bool halves) => StepMemory.Of(new()
    {
        Task = LearningTask.Pretrain,
        Model = model,
        Data = new()
        {
            Corpora = [],
            Vocabulary = "",
            Clip = new()
            {
                Frames = model.Vision.Frames, Size = model.Vision.ImageSize, TextLength = StepBenchmark.Length,
                MaskProbability = (double)StepBenchmark.MaskedPerText / StepBenchmark.Length, RegionPatch = model.Vision.PatchSize,
            },
        },
        Training = new() { BatchSize = clips, Precision = halves ? Precision.Bf16Weights : Precision.Bf16 },
    }).Peak;

    private static (double Host, double Whole) Timed(Action action)
    {
        GpuCheck.Wait();
        long start = Stopwatch.GetTimestamp();
        action();
        double host = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        GpuCheck.Wait();
        return (host, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        return ordered[ordered.Length / 2];
    }

    /// <summary>What all processes hold of the device's memory: libtorch keeps what it once had, so after a step it is the peak.</summary>
    private static long UsedBytes()
    {
        CudaDriver.Check(CudaDriver.MemoryGetInfo(out nuint free, out nuint total), "cuMemGetInfo");
        return (long)(total - free);
    }
}
