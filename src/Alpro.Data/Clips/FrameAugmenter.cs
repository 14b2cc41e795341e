using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>
/// Crops and RandAugment (paper section 4.1 and its released code). One choice holds for all frames of a clip, drawn from its request's
/// streams. Keeps its scratch memory between clips; belongs to one thread.
/// </summary>
internal sealed class FrameAugmenter
{
    private const int VideoLevel = 5, ImageLevel = 7, Operations = 2;

    private static readonly AugmentOp[] _videoOps =
    [
        AugmentOp.Identity, AugmentOp.Contrast, AugmentOp.Brightness, AugmentOp.Sharpness, AugmentOp.ShearX, AugmentOp.ShearY,
        AugmentOp.TranslateX, AugmentOp.TranslateY, AugmentOp.Rotate, AugmentOp.HorizontalFlip,
    ];

    private static readonly AugmentOp[] _imageOps =
    [
        AugmentOp.Identity, AugmentOp.Brightness, AugmentOp.Sharpness, AugmentOp.ShearX, AugmentOp.ShearY, AugmentOp.TranslateX,
        AugmentOp.TranslateY, AugmentOp.Rotate,
    ];

    private readonly int _side;
    private readonly byte[] _scratch_HWC;
    private readonly BicubicResizer _resizer = new();

    /// <summary>An augmenter of square frames.</summary>
    /// <param name="side">Side of the finished frames in pixels.</param>
    public FrameAugmenter(int side)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(side);
        _side = side;
        _scratch_HWC = new byte[side * side * 3];
    }

    /// <summary>Cuts one square out of all frames: a random one, or the middle.</summary>
    /// <param name="decoded_THWC">RGB bytes [T, decodedSide, decodedSide, 3].</param>
    /// <param name="decodedSide">Side of the decoded frames, at least that of the finished ones.</param>
    /// <param name="centre">Whether to take the middle, as evaluation does.</param>
    /// <param name="seed">The request's seed.</param>
    /// <param name="pixels_THWC">Receives [T, side, side, 3].</param>
    public void Crop(ReadOnlySpan<byte> decoded_THWC, int decodedSide, bool centre, ulong seed, Span<byte> pixels_THWC)
    {
        int spare = decodedSide - _side, left = spare / 2, top = spare / 2;
        if (!centre)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Crop);
            left = random.NextInt32(spare + 1);
            top = random.NextInt32(spare + 1);
        }
        int from = decodedSide * 3, to = _side * 3, rows = pixels_THWC.Length / to;
        for (int row = 0; row < rows; row++)
        {
            int y = row / _side * decodedSide + top + row % _side;
            decoded_THWC.Slice(y * from + left * 3, to).CopyTo(pixels_THWC.Slice(row * to, to));
        }
    }

    /// <summary>Cuts a random rectangle out of an image, 20-100 % of its area and of aspect 3/4 to 4/3, and scales it to a frame.</summary>
    /// <param name="image_HWC">RGB bytes [height, width, 3].</param>
    /// <param name="width">The image's width in pixels.</param>
    /// <param name="seed">The request's seed.</param>
    /// <param name="frame_HWC">Receives [side, side, 3].</param>
    public void CropImage(ReadOnlySpan<byte> image_HWC, int width, ulong seed, Span<byte> frame_HWC)
    {
        SeededRandom random = SeededRandom.For(seed, RandomPurpose.Crop);
        PixelRectangle cut = DrawCut(width, image_HWC.Length / 3 / width, ref random);
        _resizer.Resize(image_HWC, width, cut, frame_HWC, _side);
    }

    /// <summary>Applies two distinct operations of level 5 to all frames of a video, in place.</summary>
    /// <param name="pixels_THWC">RGB bytes [T, side, side, 3].</param>
    /// <param name="seed">The request's seed.</param>
    public void AugmentVideo(Span<byte> pixels_THWC, ulong seed)
    {
        SeededRandom random = SeededRandom.For(seed, RandomPurpose.Augment);
        int first = random.NextInt32(_videoOps.Length), second = random.NextInt32(_videoOps.Length - 1);
        if (second >= first) second++;
        for (int at = 0; at < pixels_THWC.Length; at += _scratch_HWC.Length)
        {
            Span<byte> frame_HWC = pixels_THWC.Slice(at, _scratch_HWC.Length);
            AugmentOps.Apply(_videoOps[first], VideoLevel, frame_HWC, _side, _scratch_HWC);
            AugmentOps.Apply(_videoOps[second], VideoLevel, frame_HWC, _side, _scratch_HWC);
        }
    }

    /// <summary>Flips an image's frame half the time, then twice draws an operation and applies it at level 7 half the time.</summary>
    /// <param name="frame_HWC">RGB bytes [side, side, 3].</param>
    /// <param name="seed">The request's seed.</param>
    public void AugmentImage(Span<byte> frame_HWC, ulong seed)
    {
        SeededRandom random = SeededRandom.For(seed, RandomPurpose.Augment);
        if (random.NextDouble() < 0.5) AugmentOps.FlipHorizontally(frame_HWC, _side);
        for (int i = 0; i < Operations; i++)
        {
            AugmentOp op = _imageOps[random.NextInt32(_imageOps.Length)];
            if (random.NextDouble() < 0.5) AugmentOps.Apply(op, ImageLevel, frame_HWC, _side, _scratch_HWC);
        }
    }

    /// <summary>
    /// Ten draws of area and (log-uniform) aspect. Where none fits inside, the middle of the image with the nearest aspect allowed.
    /// </summary>
    private static PixelRectangle DrawCut(int width, int height, ref SeededRandom random)
    {
        const double lowest = 3 / 4.0, highest = 4 / 3.0;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            double area = random.NextDouble(0.2, 1) * width * height;
            double aspect = Math.Exp(random.NextDouble(Math.Log(lowest), Math.Log(highest)));
            int w = (int)Math.Round(Math.Sqrt(area * aspect)), h = (int)Math.Round(Math.Sqrt(area / aspect));
            if (w >= 1 && h >= 1 && w <= width && h <= height)
                return new(random.NextInt32(width - w + 1), random.NextInt32(height - h + 1), w, h);
        }
        int fittingWidth = Math.Clamp((int)Math.Round(height * highest), 1, width),
            fittingHeight = Math.Clamp((int)Math.Round(width / lowest), 1, height);
        return new((width - fittingWidth) / 2, (height - fittingHeight) / 2, fittingWidth, fittingHeight);
    }
}
