using Alpro.Data.Clips;

namespace Alpro.Training.Records;

/// <summary>A piece of a caption, as a model is given it.</summary>
/// <param name="Text">The piece.</param>
/// <param name="Joined">Whether it goes on the word before.</param>
/// <param name="Shown">What the model is shown in its place, where it has to guess the piece; null elsewhere.</param>
public sealed record CaptionPiece(string Text, bool Joined, string? Shown);

/// <summary>A clip of a batch, for a person to look at.</summary>
/// <param name="Key">The row's name.</param>
/// <param name="Caption">What is said of it, as far as it fits; a question, where one is asked.</param>
/// <param name="Answer">The right answer; null where there is none, or it has no label.</param>
/// <param name="Region">The rectangle that entity modelling asks about, in pixels; it is drawn into the picture. Null where there is
/// none.</param>
/// <param name="Side">Side of a frame in pixels.</param>
/// <param name="Frames">How many frames the picture has.</param>
/// <param name="Picture">The frames side by side, as a JPEG.</param>
public sealed record ClipSample(string Key, IReadOnlyList<CaptionPiece> Caption, string? Answer, PixelRectangle? Region, int Side,
    int Frames, byte[] Picture)
{
    /// <summary>The picture's width and height in pixels.</summary>
    internal (int Width, int Height) Size => (Frames * Shown, Shown);

    private int Shown => Math.Min(Side, BatchPictures.MostSide);

    /// <summary>Key and caption in Markdown: what is to be guessed is bold, and followed by what is shown in its place.</summary>
    internal string ToMarkdown()
    {
        string caption = string.Concat(Caption.Select(piece => (piece.Joined ? "" : " ")
            + (piece.Shown is null ? Plain(piece.Text) : $"**{Plain(piece.Text)}** ({Plain(piece.Shown)})"))).TrimStart();
        return $"{Plain(Key)}: {caption}{(Answer is null ? "" : $" **{Plain(Answer)}**")}";

        static string Plain(string text) =>
            string.Concat(text.Select(letter => char.IsLetterOrDigit(letter) || letter == ' ' ? $"{letter}" : $"\\{letter}"));
    }
}

/// <summary>Some clips of a batch on which a run trained.</summary>
/// <param name="Time">When that was.</param>
/// <param name="Step">The step, from 0.</param>
/// <param name="Corpus">The corpus they are from.</param>
/// <param name="Clips">The clips.</param>
public sealed record BatchSample(DateTimeOffset Time, long Step, string Corpus, IReadOnlyList<ClipSample> Clips)
{
    /// <summary>Writes it down, in place of what was there; it need not outlive a power cut.</summary>
    public void Write(RunFolder folder) => NewestFile.Write(folder.Batch, this);

    /// <summary>What was written last; null where there is nothing, or it is none.</summary>
    public static BatchSample? Read(RunFolder folder) => NewestFile.Read<BatchSample>(folder.Batch);
}
