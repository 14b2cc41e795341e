using System.Diagnostics;
using System.Globalization;
using Alpro.Data.Clips;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Devices;

public sealed class StepMemoryTests
{
    /// <summary>A model large enough for its tensors to be nearly all that the heap has.</summary>
    internal static RunConfig Config(LearningTask task, Precision precision = Precision.Fp32, bool recomputing = false)
    {
        RunConfig tiny = TinyRun.Config(task, batchSize: 16, steps: 2);
        return tiny with
        {
            Model = tiny.Model with
            {
                Vision = new()
                {
                    ImageSize = 64,
                    PatchSize = 16,
                    Frames = 2,
                    Width = 128,
                    Depth = 4,
                    Heads = 4,
                    ActivationCheckpointing = recomputing,
                },
                Text = new()
                {
                    VocabularySize = 1000,
                    Width = 128,
                    Layers = 6,
                    FusionLayer = 3,
                    Heads = 4,
                    IntermediateSize = 512,
                    MaxPositions = 16,
                },
            },
            Data = tiny.Data with { Clip = tiny.Data.Clip with { DecodeSize = 64, Size = 64, TextLength = 16,
            RegionPatch = task == LearningTask.Pretrain ? 16 : 0 } },
            Training = tiny.Training with { Precision = precision, CheckpointEvery = 99 },
        };
    }

    [Theory]
    [InlineData(LearningTask.Pretrain)]
    [InlineData(LearningTask.Prompter)]
    [InlineData(LearningTask.Retrieval)]
    [InlineData(LearningTask.QuestionAnswering)]
    public void Parameters_are_counted_as_the_models_have_them(LearningTask task)
    {
        using AlproModel model = RunModel.Create(Config(task), CPU);
        (long trained, long frozen) = StepMemory.Parameters(task, model.Config);
        Assert.Equal(model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel()), trained);
        Assert.Equal(model.parameters().Where(parameter => !parameter.requires_grad).Sum(parameter => parameter.numel()), frozen);
        using var halves = new FlatParameters(model, halves: true);
        long halved = halves.Sections.Where(section => section.Offset < halves.HalfLength).Sum(section => section.Length);
        Assert.Equal(halved, StepMemory.Parameters(task, model.Config, matrices: true).Trained);
    }

    [Theory]
    [InlineData(LearningTask.Pretrain, Precision.Fp32, false)]
    [InlineData(LearningTask.Pretrain, Precision.Bf16, false)]
    [InlineData(LearningTask.Pretrain, Precision.Bf16Weights, false)]
    [InlineData(LearningTask.Prompter, Precision.Fp32, false)]
    [InlineData(LearningTask.Prompter, Precision.Bf16, false)]
    [InlineData(LearningTask.Retrieval, Precision.Fp32, false)]
    [InlineData(LearningTask.Retrieval, Precision.Bf16, false)]
    [InlineData(LearningTask.Retrieval, Precision.Bf16Weights, false)]
    [InlineData(LearningTask.QuestionAnswering, Precision.Fp32, false)]
    [InlineData(LearningTask.QuestionAnswering, Precision.Bf16, false)]
    [InlineData(LearningTask.QuestionAnswering, Precision.Fp32, true)]
    [InlineData(LearningTask.QuestionAnswering, Precision.Bf16, true)]
    public void The_count_is_what_a_step_takes_on_the_cpu(LearningTask task, Precision precision, bool recomputing)
    {
        using var folder = new TemporaryFolder();
        Run("cc", "-O1", "-shared", "-fPIC", "-o", folder.File("heap.so"),
            Path.Combine(Locations.Root, "tests/Alpro.Training.Tests/native/heap.c"));
        // Methods that are compiled again in the background take memory in the middle of a step.
        string[] lines = Run("env", $"LD_PRELOAD={folder.File("heap.so")}", "DOTNET_TieredCompilation=0", "dotnet",
            typeof(StepMemoryTests).Assembly.Location, "step-memory", $"{task}", $"{precision}", $"{recomputing}");
        long found = long.Parse(lines[^1], CultureInfo.InvariantCulture);
        StepMemory counted = StepMemory.Of(Config(task, precision, recomputing), gpu: false);
        Assert.True(Math.Abs(counted.Peak - found) < 0.05 * found,
            $"{found / 1e6:0.0} MB taken, {counted.Peak / 1e6:0.0} MB counted: {counted}");
    }

    [Fact]
    public void The_full_pretraining_model_is_counted_for_the_batches_of_a_gpu()
    {
        RunConfig full = ConfigLoader.LoadForSizes(Path.Combine(Locations.Root, "config/pretrain.json"));
        RunConfig large = full with { Training = full.Training with { BatchSize = 64 } };
        (StepMemory one, StepMemory four) = (StepMemory.Of(full), StepMemory.Of(large));
        Assert.Equal((15.4, 46.3), (Math.Round(one.Peak / 1e9, 1), Math.Round(four.Peak / 1e9, 1)));
        Assert.Equal(four, StepMemory.Of(large with { Training = large.Training with { BatchSize = 256, GroupSize = 16 } }, world: 4));
    }

    private static string[] Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
