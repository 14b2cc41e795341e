using System.Text.Json;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>Frame choice and pixel augmentation beside the golden files of <c>data/</c>.</summary>
internal static class DataParity
{
    private sealed record Choice(int Vlen, int NumFrm, int[] Uniform, int[] NlvlUniform);

    private static readonly JsonSerializerOptions _options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>One row each for <c>frame_indices.json</c> and <c>randaugment.safetensors</c>.</summary>
    /// <param name="directory">The folder; what is not in it is left out.</param>
    /// <exception cref="CheckpointException"><c>randaugment.safetensors</c> is damaged.</exception>
    public static IEnumerable<ParityRow> Check(string directory)
    {
        (string frames, string pixels) = (Path.Combine(directory, "frame_indices.json"),
            Path.Combine(directory, "randaugment.safetensors"));
        if (File.Exists(frames)) yield return CompareFrames(frames);
        if (File.Exists(pixels)) yield return ComparePixels(pixels);
    }

    private static ParityRow CompareFrames(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Choice[] choices = JsonSerializer.Deserialize<Choice[]>(stream, _options)!;
        int worst = 0;
        string? first = null;
        SeededRandom unused = new(0);
        foreach (Choice choice in choices)
        {
            var indices = new int[choice.NumFrm];
            foreach ((FrameStrategy strategy, int[] golden) in new[] { (FrameStrategy.Uniform, choice.Uniform),
                (FrameStrategy.NlvlUniform, choice.NlvlUniform) })
            {
                FrameSampler.Choose(strategy, choice.Vlen, ref unused, indices);
                if (indices.AsSpan().SequenceEqual(golden)) continue;
                worst = Math.Max(worst, indices.Zip(golden, (mine, theirs) => Math.Abs(mine - theirs)).Max());
                first ??= $"{strategy}, {choice.NumFrm} of {choice.Vlen} frames: {string.Join(' ', indices)}, not "
                    + $"{string.Join(' ', golden)}";
            }
        }
        return new ParityRow("data/frame_indices.json", 2 * choices.Length, worst, 0, "every index equal", first is null, first);
    }

    private static ParityRow ComparePixels(string path)
    {
        using CheckpointFile file = Safetensors.Open(path);
        int cases = 0, same = 0, worst = 0;
        string? first = null;
        foreach ((string name, StoredTensor stored) in file.Tensors)
        {
            // Names are image/input and image/Mlevel/operation.
            if (name.Split('/') is not [string image, ['M', .. string level], string operation]) continue;
            byte[] frame = Read(file, $"{image}/input"), golden = Read(file, name);
            AugmentOps.Apply(Enum.Parse<AugmentOp>(operation), int.Parse(level), frame, (int)stored.Shape[1], new byte[frame.Length]);

            int[] differences = [.. frame.Zip(golden, (mine, theirs) => Math.Abs(mine - theirs))];
            cases++;
            if (differences.Max() == 0) same++;
            worst = Math.Max(worst, differences.Max());
            double far = differences.Chunk(3).Count(pixel => pixel.Max() > 2) / (differences.Length / 3.0), mean = differences.Average();
            if (far > 0.01 || mean >= 0.5)
                first ??= $"{name}: {far:P2} of the pixels differ by more than 2 grey levels, mean difference {mean:f3}";
        }
        return new ParityRow("data/randaugment.safetensors", cases, worst, 0, "99 % of pixels within 2, mean below 0.5",
            first is null && cases > 0,
            first ?? $"{same} of {cases} frames equal byte for byte");
    }

    private static byte[] Read(CheckpointFile file, string name)
    {
        using var scope = NewDisposeScope();
        return file.Read(name).data<byte>().ToArray();
    }
}
