using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Model.Checkpoints;

/// <summary>Reads a stretch of a file byte by byte, through a small buffer, and knows where it stands.</summary>
internal sealed class PickleInput(SafeFileHandle file, long start, long end)
{
    private const int LongestText = 16 << 20, LongestLine = 1000;
    private readonly byte[] buffer = new byte[1 << 15];
    private long bufferStart = start;
    private int bufferLength;
    private int next;
    private readonly long first = start;

    /// <summary>The place in the file of the next byte.</summary>
    public long Position => bufferStart + next;

    /// <summary>The bytes that were read so far.</summary>
    public long Taken => Position - first;

    /// <summary>The next byte.</summary>
    /// <exception cref="InvalidDataException">The stretch is at its end.</exception>
    public byte ReadByte()
    {
        if (next == bufferLength)
        {
            bufferStart += bufferLength;
            next = 0;
            bufferLength = (int)Math.Min(buffer.Length, end - bufferStart);
            if (bufferLength <= 0)
                throw new InvalidDataException($"it ends inside its pickled structure, at byte {bufferStart}: it is truncated");
            file.ReadExactly(buffer.AsSpan(0, bufferLength), bufferStart);
        }
        return buffer[next++];
    }

    /// <summary>An unsigned little-endian number.</summary>
    public ulong ReadUnsigned(int bytes)
    {
        ulong value = 0;
        for (int i = 0; i < bytes; i++) value |= (ulong)ReadByte() << (8 * i);
        return value;
    }

    /// <summary>A little-endian number in two's complement of at most eight bytes.</summary>
    public long ReadSigned(int bytes)
    {
        if (bytes == 0) return 0;
        int unused = 64 - 8 * bytes;
        return (long)(ReadUnsigned(bytes) << unused) >> unused;
    }

    /// <summary>Text of a length that was read before it.</summary>
    /// <exception cref="InvalidDataException">The length is beyond the stretch or beyond reason.</exception>
    public string ReadText(ulong bytes, Encoding encoding)
    {
        if (bytes > (ulong)Math.Min(end - Position, LongestText))
            throw new InvalidDataException(
                $"a text of {bytes} bytes at byte {Position} is longer than the rest of it, or than {LongestText} bytes");
        var text = new byte[bytes];
        for (int i = 0; i < text.Length; i++) text[i] = ReadByte();
        return encoding.GetString(text);
    }

    /// <summary>Text up to a line feed.</summary>
    public string ReadLine()
    {
        var line = new StringBuilder();
        for (byte c = ReadByte(); c != '\n'; c = ReadByte())
        {
            if (line.Length == LongestLine) throw new InvalidDataException($"a name at byte {Position} is longer than {LongestLine} bytes");
            line.Append((char)c);
        }
        return line.ToString();
    }
}
