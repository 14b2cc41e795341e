using Alpro.Data.Text;
using static TorchSharp.torch;

namespace Alpro.Training.Inputs;

/// <summary>Texts as token ids, side by side.</summary>
/// <param name="Ids">Ids [count, L]: [CLS] … [SEP], then [PAD].</param>
/// <param name="Counts">How many ids of each text are not padding.</param>
/// <param name="Length">L.</param>
public sealed record TokenizedTexts(long[] Ids, int[] Counts, int Length)
{
    /// <summary>Number of texts.</summary>
    public int Count => Counts.Length;

    /// <summary>Encodes texts, each cut or padded to a length.</summary>
    public static TokenizedTexts Encode(CaptionTokenizer tokenizer, IReadOnlyList<string> texts, int length)
    {
        (long[] ids, int[] counts, int[] row) = (new long[texts.Count * length], new int[texts.Count], new int[length]);
        for (int i = 0; i < texts.Count; i++)
        {
            counts[i] = tokenizer.Encode(texts[i], row);
            for (int j = 0; j < length; j++) ids[i * length + j] = row[j];
        }
        return new(ids, counts, length);
    }

    /// <summary>The texts with these numbers, in this order.</summary>
    public TokenizedTexts Select(IReadOnlyList<int> numbers)
    {
        long[] ids = new long[numbers.Count * Length];
        for (int i = 0; i < numbers.Count; i++) Ids.AsSpan(numbers[i] * Length, Length).CopyTo(ids.AsSpan(i * Length));
        return new(ids, [.. numbers.Select(number => Counts[number])], Length);
    }

    /// <summary>Ids and mask of a stretch of texts, [count, length], on a device.</summary>
    /// <param name="first">The first text.</param>
    /// <param name="count">How many.</param>
    /// <param name="length">Columns: padding beyond the longest of them need not be computed.</param>
    /// <param name="device">Where the tensors shall be.</param>
    public (Tensor Ids, Tensor Mask) Tensors(int first, int count, int length, Device device)
    {
        using var scope = NewDisposeScope();
        long[] mask = new long[count * length];
        for (int i = 0; i < count; i++) mask.AsSpan(i * length, Math.Min(length, Counts[first + i])).Fill(1);
        Tensor ids = tensor(Ids.AsSpan(first * Length, count * Length).ToArray(), [count, Length]).narrow(1, 0, length).contiguous();
        return (BatchTensors.ToDevice(ids, device).MoveToOuterDisposeScope(),
            BatchTensors.ToDevice(tensor(mask, [count, length]), device).MoveToOuterDisposeScope());
    }
}
