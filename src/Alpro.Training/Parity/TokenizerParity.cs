using System.Text.Json;
using Alpro.Data;
using Alpro.Data.Text;

namespace Alpro.Training.Parity;

/// <summary>Token ids beside the golden ones of <c>tokenizer/cases.jsonl</c>.</summary>
internal static class TokenizerParity
{
    private sealed record Case(string Text, int[] Ids);

    /// <summary>One row: every id of every text is to be equal.</summary>
    /// <param name="file">The file of cases.</param>
    /// <param name="vocabularyPath">The <c>vocab.txt</c> of <c>bert-base-uncased</c>.</param>
    /// <exception cref="FileNotFoundException">The golden file is not there.</exception>
    /// <exception cref="DataException">The vocabulary cannot be used.</exception>
    public static ParityRow Compare(string file, string vocabularyPath)
    {
        var tokenizer = new CaptionTokenizer(vocabularyPath);
        int cases = 0, different = 0;
        string? first = null;
        foreach (string line in File.ReadLines(file))
        {
            Case golden = JsonSerializer.Deserialize<Case>(line, JsonSerializerOptions.Web)!;
            // Room for one id more, so that nothing is cut and an id too many shows.
            var ids = new int[golden.Ids.Length + 1];
            int count = tokenizer.Encode(golden.Text, ids);
            cases++;
            if (ids.AsSpan(0, count).SequenceEqual(golden.Ids)) continue;
            different++;
            first ??= $"'{golden.Text}': {string.Join(' ', ids[..count])}, not {string.Join(' ', golden.Ids)}";
        }
        string? detail = different == 0 ? null : $"{different} texts differ; the first, {first}";
        return new ParityRow("tokenizer/cases.jsonl", cases, 0, 0, "every id equal", different == 0 && cases > 0, detail);
    }
}
