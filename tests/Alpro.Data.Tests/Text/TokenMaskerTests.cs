using Alpro.Data.Sampling;
using Alpro.Data.Text;

namespace Alpro.Data.Tests.Text;

public sealed class TokenMaskerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CaptionTokenizer _tokenizer;

    public TokenMaskerTests() => _tokenizer = new CaptionTokenizer(Vocabularies.WriteSmall(_folder));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shares_are_15_percent_and_of_these_80_10_10()
    {
        var masker = new TokenMasker(_tokenizer, 0.15);
        int[] ids = [.. Enumerable.Repeat(5, 1000)], masked = new int[1000], labels = new int[1000];
        int chosen = 0, replaced = 0, random = 0, kept = 0;
        for (ulong seed = 0; seed < 200; seed++)
        {
            SeededRandom stream = SeededRandom.For(seed, RandomPurpose.Mask);
            masker.Mask(ids, ref stream, masked, labels);
            for (int i = 0; i < ids.Length; i++)
            {
                if (labels[i] == TokenMasker.Ignored)
                {
                    Assert.Equal(ids[i], masked[i]);
                    continue;
                }
                Assert.Equal(ids[i], labels[i]);
                chosen++;
                if (masked[i] == _tokenizer.MaskId) replaced++;
                else if (masked[i] == ids[i]) kept++;
                else random++;
            }
        }
        Assert.InRange(chosen / 200_000.0, 0.145, 0.155);
        // A random piece is the mask or the token itself once in 24 each.
        double share = 0.1 / _tokenizer.VocabularySize;
        Assert.Equal(0.8 + share, replaced / (double)chosen, 0.012);
        Assert.Equal(0.1 + share, kept / (double)chosen, 0.01);
        Assert.Equal(0.1 - 2 * share, random / (double)chosen, 0.01);
    }

    [Fact]
    public void Special_tokens_are_never_chosen()
    {
        var masker = new TokenMasker(_tokenizer, 1);
        int[] ids = [_tokenizer.ClassId, 5, _tokenizer.UnknownId, _tokenizer.MaskId, 6, _tokenizer.SeparatorId, _tokenizer.PadId];
        int[] masked = new int[7], labels = new int[7];
        SeededRandom random = SeededRandom.For(3, RandomPurpose.Mask);
        masker.Mask(ids, ref random, masked, labels);
        Assert.Equal([-100, 5, -100, -100, 6, -100, -100], labels);
    }

    [Fact]
    public void Tokens_are_chosen_independently()
    {
        var masker = new TokenMasker(_tokenizer, 0.15);
        int[] ids = [.. Enumerable.Repeat(5, 20)], masked = new int[20], labels = new int[20];
        int none = 0;
        for (ulong seed = 0; seed < 4000; seed++)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Mask);
            masker.Mask(ids, ref random, masked, labels);
            if (labels.All(label => label == TokenMasker.Ignored)) none++;
        }
        Assert.Equal(Math.Pow(0.85, 20), none / 4000.0, 0.015);
    }
}
