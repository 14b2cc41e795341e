namespace Alpro.Data.Media;

/// <summary>The codecs of packed clips. The native decoder knows them by their numbers.</summary>
internal enum PackedCodec
{
    /// <summary>H.264, every frame a key frame.</summary>
    H264,

    /// <summary>Motion JPEG, or the JPEG of an image.</summary>
    Mjpeg,
}

/// <summary>How frames are coded; many clips share it.</summary>
/// <param name="Codec">The codec.</param>
/// <param name="Header">What the decoder needs before any frame: the <c>avcC</c> box of H.264; empty for JPEG.</param>
internal sealed record PackedStream(PackedCodec Codec, byte[] Header)
{
    /// <summary>Writes it.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write((byte)Codec);
        writer.Write7BitEncodedInt(Header.Length);
        writer.Write(Header);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static PackedStream Read(BinaryReader reader) =>
        new((PackedCodec)reader.ReadByte(), reader.ReadBytes(reader.Read7BitEncodedInt()));
}

/// <summary>
/// A clip of a packed corpus, as its index knows it. Every frame stands alone, and the frames lie one after another. So each can be read
/// and decoded without its container.
/// </summary>
/// <param name="Stream">How the frames are coded.</param>
/// <param name="Width">Width of the picture in pixels.</param>
/// <param name="Height">Height of the picture in pixels.</param>
/// <param name="FrameRate">Frames per second; 0 for an image.</param>
/// <param name="Hash">XxHash3 of all bytes of the file.</param>
/// <param name="First">Where the first frame lies in the file.</param>
/// <param name="Sizes">Bytes of each frame.</param>
/// <param name="Checksums">CRC-32 of each frame.</param>
internal sealed record PackedClip(PackedStream Stream, int Width, int Height, double FrameRate, ulong Hash, long First, int[] Sizes,
    uint[] Checksums)
{
    /// <summary>What is said where bytes have changed since they were packed.</summary>
    public const string Altered = "its bytes are not those of the index";

    /// <summary>Writes all but the stream: 6 to 8 bytes a frame.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write7BitEncodedInt(Width);
        writer.Write7BitEncodedInt(Height);
        writer.Write(FrameRate);
        writer.Write(Hash);
        writer.Write7BitEncodedInt64(First);
        writer.Write7BitEncodedInt(Sizes.Length);
        for (int i = 0; i < Sizes.Length; i++)
        {
            writer.Write7BitEncodedInt(Sizes[i]);
            writer.Write(Checksums[i]);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static PackedClip Read(BinaryReader reader, PackedStream stream)
    {
        int width = reader.Read7BitEncodedInt(), height = reader.Read7BitEncodedInt();
        (double rate, ulong hash, long first) = (reader.ReadDouble(), reader.ReadUInt64(), reader.Read7BitEncodedInt64());
        int[] sizes = new int[reader.Read7BitEncodedInt()];
        uint[] checksums = new uint[sizes.Length];
        for (int i = 0; i < sizes.Length; i++) (sizes[i], checksums[i]) = (reader.Read7BitEncodedInt(), reader.ReadUInt32());
        return new(stream, width, height, rate, hash, first, sizes, checksums);
    }
}
