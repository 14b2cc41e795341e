using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>
/// Draws the rectangle of prompting entity modelling (paper section 3.3): 30-50 % of the frame's area, aspect 0.3-3.33, on the grid of
/// patches.
/// </summary>
internal sealed class RegionSampler
{
    private readonly int _side, _patch;

    /// <summary>A sampler for square frames.</summary>
    /// <param name="side">Side of a frame in pixels.</param>
    /// <param name="patch">Side of a patch in pixels; divides the frame's side at least twice.</param>
    public RegionSampler(int side, int patch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(patch);
        if (side % patch != 0 || side < 2 * patch)
            throw new ArgumentException($"a rectangle of whole patches of {patch} pixels needs frames of at least two such patches a "
                + $"side and no rest, not {side} pixels");
        (_side, _patch) = (side, patch);
    }

    /// <summary>One rectangle, the same for all frames of a clip.</summary>
    /// <param name="random">The stream of purpose <see cref="RandomPurpose.Region"/>.</param>
    public PixelRectangle Sample(ref SeededRandom random)
    {
        while (true)
        {
            double area = random.NextDouble(0.3, 0.5) * _side * _side;
            double aspect = random.NextDouble(0.3, 3.33);
            int width = RoundDown(Math.Sqrt(area / aspect)), height = RoundDown(Math.Sqrt(area * aspect));
            if (width > _side || height > _side || width == 0 || height == 0) continue;
            int left = RoundDown(random.NextInt32(_side - width + 1)), top = RoundDown(random.NextInt32(_side - height + 1));
            return new PixelRectangle(left, top, width, height);
        }
    }

    private int RoundDown(double pixels) => (int)pixels / _patch * _patch;
}
