using System.Text;

namespace Alpro.Cli;

/// <summary>Curves of several runs as lines of blocks, on one scale and over the same steps.</summary>
/// <param name="Lines">A line for each run.</param>
/// <param name="Least">The value of the lowest block.</param>
/// <param name="Greatest">The value of the highest.</param>
internal sealed record Sparklines(IReadOnlyList<string> Lines, double Least, double Greatest)
{
    private const string Blocks = "▁▂▃▄▅▆▇█";

    /// <summary>Draws curves; null where none of them has a value.</summary>
    /// <param name="curves">The points of each run; those that are not finite are left out.</param>
    /// <param name="steps">Steps that the width stands for.</param>
    /// <param name="width">Characters of a line. Where a run has several points, one character is their mean.</param>
    public static Sparklines? Of(IReadOnlyList<IReadOnlyList<(double Step, double Value)>> curves, double steps, int width)
    {
        double?[][] means = [.. curves.Select(points => Means(points, steps, width))];
        double[] all = [.. means.SelectMany(values => values.OfType<double>())];
        if (all.Length == 0) return null;
        (double least, double greatest) = (all.Min(), all.Max());
        return new([.. means.Select(Line)], least, greatest);

        string Line(double?[] values)
        {
            var line = new StringBuilder();
            foreach (double? value in values)
                line.Append(value is not { } one ? ' ' : greatest > least
                    ? Blocks[(int)Math.Round((one - least) / (greatest - least) * (Blocks.Length - 1))] : Blocks[0]);
            return line.ToString();
        }
    }

    private static double?[] Means(IReadOnlyList<(double Step, double Value)> points, double steps, int width)
    {
        var (sums, counts) = (new double[width], new int[width]);
        foreach ((double step, double value) in points)
        {
            if (!double.IsFinite(value)) continue;
            int column = (int)Math.Clamp(step / steps * width, 0, width - 1);
            sums[column] += value;
            counts[column]++;
        }
        return [.. sums.Zip(counts, (sum, count) => count == 0 ? (double?)null : sum / count)];
    }
}
