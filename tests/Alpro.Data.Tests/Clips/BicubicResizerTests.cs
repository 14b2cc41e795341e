using System.IO.Hashing;
using Alpro.Data.Clips;

namespace Alpro.Data.Tests.Clips;

public class BicubicResizerTests
{
    /// <summary>Checksums of what Pillow 9.4 makes of the same pictures with <c>crop(…).resize(…, BICUBIC)</c>.</summary>
    [Theory]
    [InlineData(5, 4, 0, 0, 5, 4, 8, 982257857)]
    [InlineData(700, 500, 13, 40, 600, 450, 224, 0x80120e3b)]
    [InlineData(100, 80, 3, 4, 90, 70, 224, 0x2888e5a)]
    [InlineData(2000, 3, 0, 0, 2000, 3, 16, 0xb4937d99)]
    public void Scaled_cuts_equal_pillows(int width, int height, int left, int top, int cutWidth, int cutHeight, int side, uint crc)
    {
        var image = new byte[width * height * 3];
        for (int i = 0; i < image.Length; i++)
        {
            int channel = i % 3, x = i / 3 % width, y = i / 3 / width;
            image[i] = (byte)(x * x * 7 + y * 13 + channel * 71 + x * y * 31);
        }
        var target = new byte[side * side * 3];
        var resizer = new BicubicResizer();
        for (int time = 0; time < 2; time++)
        {
            resizer.Resize(image, width, new PixelRectangle(left, top, cutWidth, cutHeight), target, side);
            Assert.Equal(crc, Crc32.HashToUInt32(target));
        }
    }
}
