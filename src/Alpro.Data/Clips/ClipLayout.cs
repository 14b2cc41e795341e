using System.Collections.Immutable;
using Alpro.Data.Media;
using Alpro.Data.Text;

namespace Alpro.Data.Clips;

/// <summary>
/// What clips of the same settings consist of: pixels, and the fields that are listed here. The wire, the batch and the file of a step that
/// was set aside follow this list. A new field is an entry here, the numbers that <see cref="ClipLoader"/> puts into it, and whoever reads
/// it from the batch. Shapes: T frames, L tokens; a batch has B of each.
/// </summary>
public sealed class ClipLayout
{
    private static readonly List<ClipField> _fields = [];

    private readonly int[] _begins, _batchBegins;

    /// <summary>The media kind []; a batch, whose clips are all of one, has <c>IsVideo</c> instead.</summary>
    public static ClipField Kind { get; } = Add("kind", "kind", static _ => 1,
        Within(static (_, _) => (0, (int)MediaKind.Image)), inBatch: static _ => 0);

    /// <summary>How many tokens are not padding []; in a batch 1 for a token and 0 for padding [L].</summary>
    public static ClipField TokenCount { get; } = Add("tokenMask", "number of tokens", static _ => 1,
        Within(static (clip, _) => (1, clip.TextLength)), inBatch: static clip => clip.TextLength, toRow: static (count, mask_L) =>
        {
            mask_L[..count[0]].Fill(1);
            mask_L[count[0]..].Clear();
        });

    /// <summary>Index of the answer among the labels []; -1 for an answer that is not among them, and where there is none.</summary>
    public static ClipField Answer { get; } = Add("answers", "answer", static _ => 1, Within(static (_, known) => (-1, known.Answers - 1)));

    /// <summary>The rectangle of entity modelling [4]: left, top, width, height.</summary>
    public static ClipField Region { get; } = Add("regions", "region", static clip => clip.RegionPatch > 0 ? 4 : 0, InsideFrame);

    /// <summary>Token ids [L]: [CLS] … [SEP], then [PAD].</summary>
    public static ClipField TokenIds { get; } = Add("tokenIds", "token", static clip => clip.TextLength, Within(Tokens));

    /// <summary>Token ids with some masked [L].</summary>
    public static ClipField MaskedIds { get; } = Add("maskedIds", "token", MaskLength, Within(Tokens));

    /// <summary>Original ids at the masked positions, -100 elsewhere [L].</summary>
    public static ClipField MaskLabels { get; } = Add("maskLabels", "label", MaskLength, Within(Tokens, or: TokenMasker.Ignored));

    /// <summary>All fields, in the order of the wire.</summary>
    public static ImmutableArray<ClipField> Fields { get; } = [.. _fields];

    /// <summary>The layout of clips made with these settings.</summary>
    public ClipLayout(ClipSettings settings)
    {
        Settings = settings;
        _begins = Begins(field => field.Length(settings));
        _batchBegins = Begins(field => field.RowLength(settings));
    }

    /// <summary>The settings.</summary>
    public ClipSettings Settings { get; }

    /// <summary>Frames, T.</summary>
    public int Frames => Settings.Frames;

    /// <summary>Side of a frame in pixels.</summary>
    public int Side => Settings.Size;

    /// <summary>Bytes of a clip's pixels, RGB [T, Side, Side, 3].</summary>
    public int PixelBytes => Frames * Side * Side * 3;

    /// <summary>Numbers of all fields of a clip.</summary>
    internal int Numbers => _begins[^1];

    /// <summary>Numbers of all fields of a clip in a batch.</summary>
    internal int BatchNumbers => _batchBegins[^1];

    /// <summary>Whether clips of these settings have a field.</summary>
    public bool Has(ClipField field) => _begins[field.Index + 1] > _begins[field.Index];

    /// <summary>Where a field lies among the numbers of a clip.</summary>
    internal Range Of(ClipField field) => _begins[field.Index].._begins[field.Index + 1];

    /// <summary>Numbers of a field in a clip's row of a batch; 0 where a batch does not have it.</summary>
    public int RowLength(ClipField field) => _batchBegins[field.Index + 1] - _batchBegins[field.Index];

    /// <summary>The fields that a batch of such clips has.</summary>
    public IEnumerable<ClipField> BatchFields => Fields.Where(one => RowLength(one) > 0);

    /// <summary>Where a field of all clips lies among the numbers of a batch of so many.</summary>
    internal Range Of(ClipField field, int clips) => (clips * _batchBegins[field.Index])..(clips * _batchBegins[field.Index + 1]);

    /// <summary>Whether clips of another layout have the same fields and pixels.</summary>
    public bool Matches(ClipLayout other) => (Frames, Side) == (other.Frames, other.Side) && _begins.AsSpan().SequenceEqual(other._begins);

    /// <summary>The layout in words.</summary>
    public override string ToString() =>
        $"{Frames} frames of {Side} pixels and {Settings.TextLength} tokens, with "
            + $"{string.Join(", ", Fields.Where(Has).Select(field => field.Name))}";

    private static int[] Begins(Func<ClipField, int> lengthOf)
    {
        int[] begins = new int[Fields.Length + 1];
        foreach (ClipField field in Fields) begins[field.Index + 1] = begins[field.Index] + lengthOf(field);
        return begins;
    }

    private static ClipField Add(string name, string word, Func<ClipSettings, int> length, ClipField.RangeCheck outOfRange,
        Func<ClipSettings, int>? inBatch = null, ClipField.RowCopy? toRow = null)
    {
        toRow ??= static (clip, row) => clip.CopyTo(row);
        var field = new ClipField(_fields.Count, name, word, length, outOfRange, inBatch ?? length, toRow);
        _fields.Add(field);
        return field;
    }

    private static int MaskLength(ClipSettings clip) => clip.MaskProbability > 0 ? clip.TextLength : 0;

    private static (int Least, int Most) Tokens(ClipSettings clip, ClipNumbers known) => (0, known.Tokens - 1);

    private static ClipField.RangeCheck Within(
        Func<ClipSettings, ClipNumbers, (int Least, int Most)> range, int? or = null) => (numbers, settings, known) =>
    {
        (int least, int most) = range(settings, known);
        foreach (int number in numbers)
            if ((number < least || number > most) && number != or) return (number, least, most);
        return null;
    };

    private static (int, int, int)? InsideFrame(ReadOnlySpan<int> numbers, ClipSettings settings, ClipNumbers known)
    {
        int side = settings.Size;
        return numbers is [int left, int top, int width, int height]
            ? Outside(width, 1, side) ?? Outside(height, 1, side) ?? Outside(left, 0, side - width) ?? Outside(top, 0, side - height)
            : null;

        static (int, int, int)? Outside(int value, int least, int most) => value >= least && value <= most ? null : (value, least, most);
    }
}
