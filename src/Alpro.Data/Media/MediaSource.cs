namespace Alpro.Data.Media;

/// <summary>Where the bytes of a clip lie: a whole file, or a stretch of a tar shard.</summary>
/// <param name="Path">Full path of the file.</param>
/// <param name="Offset">First byte inside the file; 0 for a whole file.</param>
/// <param name="Length">Number of bytes; 0 means to the end of the file.</param>
public readonly record struct MediaSource(string Path, long Offset = 0, long Length = 0)
{
    /// <summary>Whether the clip is the whole file.</summary>
    public bool IsWholeFile => Offset == 0 && Length == 0;

    /// <summary>What the index of a packed corpus knows of the clip; null for any other.</summary>
    internal PackedClip? Packed { get; init; }

    /// <summary>Writes it for another process.</summary>
    internal void Write(BinaryWriter writer)
    {
        writer.Write(Path);
        writer.Write(Offset);
        writer.Write(Length);
        writer.Write(Packed is not null);
        Packed?.Stream.Write(writer);
        Packed?.Write(writer);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    internal static MediaSource Read(BinaryReader reader)
    {
        MediaSource media = new(reader.ReadString(), reader.ReadInt64(), reader.ReadInt64());
        return reader.ReadBoolean() ? media with { Packed = PackedClip.Read(reader, PackedStream.Read(reader)) } : media;
    }
}
