namespace Alpro.Data.Tests.Text;

/// <summary>A vocabulary of a few pieces, and the full one of the shared folder.</summary>
internal static class Vocabularies
{
    public static string Full => Path.Combine(Locations.Shared, "data", "bert-base-uncased", "vocab.txt");

    public static readonly string[] SmallPieces =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "dog", "run", "##s", "##ning", "!", ",", "'", "中", "café", "cafe", "ᄒ",
        "##ᅡ", "##ᆫ", "1", "=", "$", "™"];

    public static string WriteSmall(TemporaryFolder folder)
    {
        string path = folder.File("vocab.txt");
        File.WriteAllLines(path, SmallPieces);
        return path;
    }
}
