namespace Alpro.Data.Clips;

/// <summary>
/// One field of a clip beside its pixels and its key: 32-bit whole numbers, as many in every clip of the same settings.
/// <see cref="ClipLayout"/> lists the fields.
/// </summary>
public sealed class ClipField
{
    /// <summary>Finds the first number that a model could not use; null where all are in range.</summary>
    internal delegate (int Value, int Least, int Most)? RangeCheck(ReadOnlySpan<int> numbers, ClipSettings settings, ClipNumbers known);

    /// <summary>Copies a clip's numbers into its row of a batch.</summary>
    internal delegate void RowCopy(ReadOnlySpan<int> clip, Span<int> row);

    internal ClipField(int index, string name, string word, Func<ClipSettings, int> length, RangeCheck outOfRange,
        Func<ClipSettings, int> rowLength, RowCopy toRow) =>
        (Index, Name, Word, Length, OutOfRange, RowLength, ToRow) = (index, name, word, length, outOfRange, rowLength, toRow);

    /// <summary>Its name in the file of a step that was set aside.</summary>
    public string Name { get; }

    /// <summary>What a message calls one of its numbers.</summary>
    public string Word { get; }

    /// <summary>Its place among the fields.</summary>
    internal int Index { get; }

    /// <summary>Numbers in a clip and on the wire; 0 where the settings leave the field out.</summary>
    internal Func<ClipSettings, int> Length { get; }

    /// <summary>Which numbers a clip may bring over the wire.</summary>
    internal RangeCheck OutOfRange { get; }

    /// <summary>Numbers in a clip's row of a batch.</summary>
    internal Func<ClipSettings, int> RowLength { get; }

    /// <summary>How a clip's numbers become its row of a batch.</summary>
    internal RowCopy ToRow { get; }
}
