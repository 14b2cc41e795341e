using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Media;

/// <summary>Pictures that are written are read back, by a decoder that is not ours, as they were.</summary>
public sealed class JpegWriterTests
{
    [Theory]
    [InlineData(64, 64)]
    [InlineData(224, 126)]
    [InlineData(17, 9)]
    [InlineData(8, 8)]
    public void A_picture_is_read_back(int width, int height)
    {
        byte[] pixels = Smooth(width, height);
        (VideoInfo info, byte[] read) = Read(JpegWriter.Write(pixels, width, height), width, height);
        Assert.Equal((width, height), (info.Width, info.Height));
        Assert.InRange(pixels.Zip(read, (one, other) => Math.Abs(one - other)).Average(), 0, 3);
    }

    /// <summary>Noise makes codes of every length, and bytes of ones.</summary>
    [Fact]
    public void Noise_is_read_back()
    {
        var random = new SeededRandom(3);
        byte[] pixels = new byte[96 * 40 * 3];
        foreach (ref byte pixel in pixels.AsSpan()) pixel = (byte)(random.NextInt32(2) * 255);
        (_, byte[] read) = Read(JpegWriter.Write(pixels, 96, 40), 96, 40);
        Assert.InRange(pixels.Zip(read, (one, other) => Math.Abs(one - other)).Average(), 0, 40);
    }

    [Theory]
    [InlineData(320, 180, 64, 36)]
    [InlineData(180, 320, 36, 64)]
    [InlineData(96, 96, 64, 64)]
    public void A_frame_gets_its_shape_back(int width, int height, int across, int down)
    {
        (VideoInfo info, byte[] read) = Read(FramePicture.Jpeg(Smooth(64, 64), 64, width, height), across, down);
        Assert.Equal((across, down), (info.Width, info.Height));
        Assert.InRange(Smooth(across, down).Zip(read, (one, other) => Math.Abs(one - other)).Average(), 0, 5);
    }

    private static byte[] Smooth(int width, int height)
    {
        byte[] pixels = new byte[width * height * 3];
        for (int i = 0; i < width * height; i++)
        {
            (double x, double y) = ((i % width + 0.5) / width, (i / width + 0.5) / height);
            (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = ((byte)(255 * x), (byte)(255 * y), (byte)(255 * (1 - x)));
        }
        return pixels;
    }

    private static (VideoInfo, byte[]) Read(byte[] jpeg, int width, int height)
    {
        string path = TestVideos.NewPath(".jpg");
        File.WriteAllBytes(path, jpeg);
        using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
        VideoInfo info = reader.Open(new(path));
        byte[] pixels = new byte[width * height * 3];
        reader.Read([0], width, height, ResizeFilter.Bilinear, pixels);
        return (info, pixels);
    }
}
