using Alpro.Data.Sampling;

namespace Alpro.Data.Text;

/// <summary>
/// Chooses tokens for masked language modelling (paper section 3.2; BERT's recipe): each ordinary token independently, of the chosen
/// 80 % become [MASK], 10 % a random piece, 10 % stay.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
/// <param name="probability">Chance of an ordinary token to be chosen.</param>
internal sealed class TokenMasker(CaptionTokenizer tokenizer, double probability)
{
    /// <summary>The label of a token that was not chosen: the loss leaves it out.</summary>
    public const int Ignored = -100;

    /// <summary>Masks one caption.</summary>
    /// <param name="ids_L">Token ids; padding and other special tokens are never chosen.</param>
    /// <param name="random">The stream of purpose <see cref="RandomPurpose.Mask"/>.</param>
    /// <param name="masked_L">Receives the ids with the chosen ones replaced.</param>
    /// <param name="labels_L">Receives the original ids of the chosen tokens, <see cref="Ignored"/> elsewhere.</param>
    public void Mask(ReadOnlySpan<int> ids_L, ref SeededRandom random, Span<int> masked_L, Span<int> labels_L)
    {
        for (int i = 0; i < ids_L.Length; i++)
        {
            int id = ids_L[i];
            bool chosen = !tokenizer.IsSpecial(id) && random.NextDouble() < probability;
            labels_L[i] = chosen ? id : Ignored;
            masked_L[i] = chosen ? Replace(id, ref random) : id;
        }
    }

    private int Replace(int id, ref SeededRandom random) => random.NextDouble() switch
    {
        < 0.8 => tokenizer.MaskId,
        < 0.9 => random.NextInt32(tokenizer.VocabularySize),
        _ => id,
    };
}
