using Alpro.Data.Sampling;

namespace Alpro.Data.Synthetic;

/// <summary>
/// Draws the frames of one <see cref="SyntheticScene"/> as RGB bytes, each [side, side, 3]. A vision transformer that starts from nothing
/// has a linear patch embedding, and should see soon what is drawn. So shapes are always lighter than what is behind them: their outline is
/// the same pattern in every colour. What moves leaves a trail: one frame shows its direction.
/// </summary>
internal sealed class ScenePainter
{
    private const int SubSamples = 4, TrailSteps = 4;
    private const double TrailSpacing = 0.07, TrailStrength = 0.45;

    private static readonly Rgb[] _colors =
        [new(255, 70, 70), new(60, 230, 80), new(90, 150, 255), new(255, 235, 60), new(210, 100, 255), new(255, 255, 255)];
    private static readonly (Rgb Ground, Rgb Pattern)[] _grounds =
        [(new(0, 0, 0), new(40, 40, 40)), (new(75, 75, 75), new(45, 45, 45)), (new(85, 48, 12), new(50, 27, 5)),
            (new(15, 20, 100), new(8, 10, 55))];

    private readonly int _side, _radius, _count;
    private readonly Rgb _color;
    private readonly byte[] _background, _mask;
    private readonly double _alongX, _alongY, _startAlong, _across, _travel;

    /// <summary>
    /// Prepares the background and the shape; where the shapes stand and how fast they move varies with <paramref name="random"/>.
    /// </summary>
    public ScenePainter(SyntheticScene scene, int side, ref SeededRandom random)
    {
        _side = side;
        _count = scene.Count;
        _color = _colors[scene.Color];
        _radius = (int)Math.Round(side * (scene.Size == 0 ? 0.11 : 0.16));
        _background = PaintBackground(side, scene.Pattern, _grounds[scene.Ground], random.NextInt32(side));
        _mask = Mask(scene.Shape, _radius);
        (_alongX, _alongY) = SyntheticScene.Motions[scene.Motion] switch
        {
            "left" => (-1, 0),
            "right" => (1, 0),
            "up" => (0, -1),
            "down" => (0, 1),
            _ => (1.0, 0.0),
        };
        bool still = SyntheticScene.Motions[scene.Motion] == "still";
        _travel = still ? 0 : random.NextDouble(0.64, 0.7);
        _startAlong = 0.5 - _travel / 2 + random.NextDouble(-1, 1) * (still ? 0.1 : 0.02);
        _across = 0.5 + random.NextDouble(-1, 1) * 0.04;
    }

    /// <summary>Draws the frame at a time between 0 (the first) and 1 (the last).</summary>
    public void Paint(double time, Span<byte> rgb)
    {
        _background.CopyTo(rgb);
        for (int step = _travel > 0 ? TrailSteps : 0; step > 0; step--)
            Draw(time - step * TrailSpacing, TrailStrength * (1 - step / (TrailSteps + 1.0)), rgb);
        Draw(time, 1, rgb);
    }

    private void Draw(double time, double strength, Span<byte> rgb)
    {
        double along = (_startAlong + _travel * time - 0.5) * _side;
        for (int i = 0; i < _count; i++)
        {
            double across = (_across - 0.5 + (i - (_count - 1) / 2.0) * 0.33) * _side;
            Stamp(rgb, (int)Math.Round(_side / 2.0 + _alongX * along + _alongY * across),
                (int)Math.Round(_side / 2.0 + _alongY * along + _alongX * across), strength);
        }
    }

    private void Stamp(Span<byte> rgb, int centerX, int centerY, double strength)
    {
        int width = 2 * _radius + 1;
        for (int y = Math.Max(0, centerY - _radius); y < Math.Min(_side, centerY + _radius + 1); y++)
        {
            for (int x = Math.Max(0, centerX - _radius); x < Math.Min(_side, centerX + _radius + 1); x++)
            {
                int cover = (int)(strength * _mask[(y - centerY + _radius) * width + x - centerX + _radius]);
                Span<byte> pixel = rgb.Slice((y * _side + x) * 3, 3);
                pixel[0] = Blend(pixel[0], _color.R, cover);
                pixel[1] = Blend(pixel[1], _color.G, cover);
                pixel[2] = Blend(pixel[2], _color.B, cover);
            }
        }
    }

    private static byte Blend(int below, int above, int cover) => (byte)((below * (255 - cover) + above * cover + 127) / 255);

    private static byte[] PaintBackground(int side, int pattern, (Rgb Ground, Rgb Pattern) colors, int phase)
    {
        byte[] rgb = new byte[side * side * 3];
        int period = Math.Max(4, side / 8);
        for (int y = 0; y < side; y++)
        {
            for (int x = 0; x < side; x++)
            {
                int u = (x + phase) % period - period / 2, v = (y + phase) % period - period / 2;
                bool marked = SyntheticScene.Patterns[pattern] switch
                {
                    "striped" => (x + y + phase) % period < period / 2,
                    "dotted" => 12 * (u * u + v * v) < period * period,
                    _ => false,
                };
                Rgb color = marked ? colors.Pattern : colors.Ground;
                (rgb[(y * side + x) * 3], rgb[(y * side + x) * 3 + 1], rgb[(y * side + x) * 3 + 2]) = (color.R, color.G, color.B);
            }
        }
        return rgb;
    }

    /// <summary>How much of each pixel of a (2 radius + 1) square the shape covers, 0 to 255.</summary>
    private static byte[] Mask(int shape, int radius)
    {
        int width = 2 * radius + 1;
        byte[] mask = new byte[width * width];
        for (int pixel = 0; pixel < mask.Length; pixel++)
        {
            int inside = 0;
            for (int sub = 0; sub < SubSamples * SubSamples; sub++)
            {
                double u = (pixel % width + (sub % SubSamples + 0.5) / SubSamples) / width * 2 - 1;
                double v = (pixel / width + (sub / SubSamples + 0.5) / SubSamples) / width * 2 - 1;
                if (Covers(shape, u, v)) inside++;
            }
            mask[pixel] = (byte)(inside * 255 / (SubSamples * SubSamples));
        }
        return mask;
    }

    private static bool Covers(int shape, double u, double v) => SyntheticScene.Shapes[shape] switch
    {
        "circle" => u * u + v * v <= 0.95,
        "square" => Math.Max(Math.Abs(u), Math.Abs(v)) <= 0.86,
        "triangle" => v <= 0.85 && Math.Abs(u) <= (v + 1) / 1.85,
        "bar" => Math.Abs(v) <= 0.35,
        _ => Math.Min(Math.Abs(u), Math.Abs(v)) <= 0.3,
    };

    private readonly record struct Rgb(byte R, byte G, byte B);
}
