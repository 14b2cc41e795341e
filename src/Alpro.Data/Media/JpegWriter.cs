using System.Buffers.Binary;
using System.Numerics;

namespace Alpro.Data.Media;

/// <summary>
/// Makes a JPEG of RGB bytes: baseline, colours at full resolution, the tables of the standard's annex K. The same picture makes the same
/// bytes on every machine. It is for small pictures by the thousand, for which no other process is worth its start.
/// </summary>
public static class JpegWriter
{
    private const int Block = 8, Area = Block * Block, Quality = 80;

    private static readonly byte[] _zigzag =
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];

    private static readonly Component _luminance = new(
        [
            16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
            18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112,
            100, 103, 99,
        ],
        new([0, 1, 5, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        new([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], Convert.FromHexString(
            "01020300041105122131410613516107227114328191A1082342B1C11552D1F02433627282090A161718191A25262728292A3435363738393A434445464748"
            + "494A535455565758595A636465666768696A737475767778797A838485868788898A92939495969798999AA2A3A4A5A6A7A8A9AAB2B3B4B5B6B7B8B9BAC2"
            + "C3C4C5C6C7C8C9CAD2D3D4D5D6D7D8D9DAE1E2E3E4E5E6E7E8E9EAF1F2F3F4F5F6F7F8F9FA")));

    private static readonly Component _chrominance = new(
        [
            17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
            99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        ],
        new([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        new([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], Convert.FromHexString(
            "000102031104052131061241510761711322328108144291A1B1C109233352"
            + "F0156272D10A162434E125F11718191A262728292A35363738393A434445464748"
            + "494A535455565758595A636465666768696A737475767778797A828384858687"
            + "88898A92939495969798999AA2A3A4A5A6A7A8A9AAB2B3B4B5B6B7B8B9BAC2"
            + "C3C4C5C6C7C8C9CAD2D3D4D5D6D7D8D9DAE2E3E4E5E6E7E8E9EAF2F3F4F5F6F7F8F9FA")));

    /// <summary>Makes a JPEG.</summary>
    /// <param name="pixels_HWC">RGB bytes [height, width, 3].</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    public static byte[] Write(ReadOnlySpan<byte> pixels_HWC, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels_HWC.Length, width * height * 3);
        var bits = new BitWriter();
        Head(bits.Bytes, width, height);
        Span<float> blocks = stackalloc float[3 * Area];
        Span<int> last = stackalloc int[3];
        last.Clear();
        for (int top = 0; top < height; top += Block)
        {
            for (int left = 0; left < width; left += Block)
            {
                Fill(pixels_HWC, width, height, left, top, blocks);
                for (int colour = 0; colour < 3; colour++)
                    last[colour] = (colour == 0 ? _luminance : _chrominance).Code(blocks.Slice(colour * Area, Area), last[colour], bits);
            }
        }
        bits.End();
        bits.Bytes.AddRange([0xFF, 0xD9]);
        return [.. bits.Bytes];
    }

    private static void Head(List<byte> bytes, int width, int height)
    {
        bytes.AddRange([0xFF, 0xD8]);
        Segment(0xE0, [.. "JFIF\0"u8, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
        Segment(0xDB, [0, .. _luminance.Steps, 1, .. _chrominance.Steps]);
        Segment(0xC0, [8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, 3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1]);
        Segment(0xC4,
        [
            0x00, .. _luminance.Direct.Table, 0x10, .. _luminance.Alternating.Table,
            0x01, .. _chrominance.Direct.Table, 0x11, .. _chrominance.Alternating.Table,
        ]);
        Segment(0xDA, [3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);

        void Segment(byte marker, byte[] content)
        {
            Span<byte> length = stackalloc byte[2];
            BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)(content.Length + 2));
            bytes.AddRange([0xFF, marker, .. length, .. content]);
        }
    }

    /// <summary>Luminance and both colour differences of a square; beyond the edge, the edge goes on.</summary>
    private static void Fill(ReadOnlySpan<byte> pixels, int width, int height, int left, int top, Span<float> blocks)
    {
        for (int i = 0; i < Area; i++)
        {
            int x = Math.Min(left + i % Block, width - 1), y = Math.Min(top + i / Block, height - 1);
            ReadOnlySpan<byte> pixel = pixels.Slice((y * width + x) * 3, 3);
            (float r, float g, float b) = (pixel[0], pixel[1], pixel[2]);
            blocks[i] = 0.299f * r + 0.587f * g + 0.114f * b - 128;
            blocks[Area + i] = -0.16874f * r - 0.33126f * g + 0.5f * b;
            blocks[2 * Area + i] = 0.5f * r - 0.41869f * g - 0.08131f * b;
        }
    }

    /// <summary>A Huffman code of the standard.</summary>
    private sealed class Huffman
    {
        private readonly (int Code, int Length)[] _codes = new (int, int)[256];

        /// <summary>A code.</summary>
        /// <param name="counts">How many symbols have a code of 1 bit, of 2 bits and so on.</param>
        /// <param name="symbols">The symbols, shortest code first.</param>
        public Huffman(byte[] counts, byte[] symbols)
        {
            Table = [.. counts, .. new byte[16 - counts.Length], .. symbols];
            for (int length = 1, code = 0, at = 0; length <= counts.Length; length++, code <<= 1)
                for (int n = 0; n < counts[length - 1]; n++) _codes[symbols[at++]] = (code++, length);
        }

        /// <summary>As it stands in a file.</summary>
        public byte[] Table { get; }

        public void Write(int symbol, BitWriter bits) => bits.Write(_codes[symbol].Code, _codes[symbol].Length);
    }

    /// <summary>How luminance, or colour, is coded.</summary>
    private sealed class Component
    {
        private static readonly float[] _cosines = Cosines();

        private readonly float[] _scales = new float[Area];

        public Component(byte[] steps, Huffman direct, Huffman alternating)
        {
            (Direct, Alternating) = (direct, alternating);
            for (int i = 0; i < Area; i++)
            {
                int step = Math.Clamp((steps[_zigzag[i]] * (200 - 2 * Quality) + 50) / 100, 1, 255);
                Steps[i] = (byte)step;
                _scales[_zigzag[i]] = 1f / step;
            }
        }

        /// <summary>Steps of the quantizer, in zigzag order.</summary>
        public byte[] Steps { get; } = new byte[Area];

        public Huffman Direct { get; }

        public Huffman Alternating { get; }

        /// <summary>Codes a square, and returns its mean for the next one.</summary>
        public int Code(Span<float> block, int last, BitWriter bits)
        {
            Span<int> values = stackalloc int[Area];
            Transform(block, values);
            Number(Direct, 0, values[0] - last, bits);
            int end = Area - 1, zeros = 0;
            while (end > 0 && values[_zigzag[end]] == 0) end--;
            for (int i = 1; i <= end; i++)
            {
                int value = values[_zigzag[i]];
                if (value == 0)
                {
                    zeros++;
                    continue;
                }
                for (; zeros >= 16; zeros -= 16) Alternating.Write(0xF0, bits);
                Number(Alternating, zeros, value, bits);
                zeros = 0;
            }
            if (end < Area - 1) Alternating.Write(0, bits);
            return values[0];
        }

        /// <summary>The cosine transform, rows and then columns, in steps of the quantizer.</summary>
        private void Transform(Span<float> block, Span<int> values)
        {
            Span<float> rows = stackalloc float[Area];
            for (int at = 0; at < Area; at += Block)
                for (int u = 0; u < Block; u++) rows[at + u] = Dot(block.Slice(at, Block), u);
            Span<float> column = stackalloc float[Block];
            for (int x = 0; x < Block; x++)
            {
                for (int y = 0; y < Block; y++) column[y] = rows[y * Block + x];
                for (int v = 0; v < Block; v++)
                    values[v * Block + x] = (int)MathF.Round(Dot(column, v) * _scales[v * Block + x]);
            }

            static float Dot(ReadOnlySpan<float> values, int frequency)
            {
                float sum = 0;
                for (int i = 0; i < Block; i++) sum += values[i] * _cosines[frequency * Block + i];
                return sum;
            }
        }

        private static float[] Cosines()
        {
            float[] cosines = new float[Area];
            for (int frequency = 0; frequency < Block; frequency++)
                for (int i = 0; i < Block; i++)
                    cosines[frequency * Block + i] = (float)((frequency == 0 ? Math.Sqrt(0.125) : 0.5)
                        * Math.Cos((2 * i + 1) * frequency * Math.PI / 16));
            return cosines;
        }

        private static void Number(Huffman code, int zeros, int value, BitWriter bits)
        {
            int length = 32 - BitOperations.LeadingZeroCount((uint)Math.Abs(value));
            code.Write(zeros << 4 | length, bits);
            bits.Write(value < 0 ? value - 1 & (1 << length) - 1 : value, length);
        }
    }

    /// <summary>Bits, the first of a byte its highest; a byte of ones is followed by one of zeros.</summary>
    private sealed class BitWriter
    {
        private int _bits, _count;

        public List<byte> Bytes { get; } = new(1 << 13);

        public void Write(int bits, int count)
        {
            (_bits, _count) = (_bits << count | bits, _count + count);
            for (; _count >= 8; _count -= 8) Add((byte)(_bits >> _count - 8));
            _bits &= (1 << _count) - 1;
        }

        public void End()
        {
            if (_count > 0) Write((1 << 8 - _count) - 1, 8 - _count);
        }

        private void Add(byte value)
        {
            Bytes.Add(value);
            if (value == 0xFF) Bytes.Add(0);
        }
    }
}
