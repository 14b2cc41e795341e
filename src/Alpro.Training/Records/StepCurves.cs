using System.Globalization;

namespace Alpro.Training.Records;

/// <summary>
/// The curves of a run, thinned: neighbouring steps share a point when there are too many for each to have its own. A point keeps the
/// least and the greatest value in their order, so no peak is lost. Memory and what is sent stay small, however many steps there are.
/// </summary>
public sealed class StepCurves
{
    /// <summary>Points of a curve at most; each is two values where it stands for more than one step.</summary>
    internal const int MostPoints = 1024;

    private const int Digits = 5;                                    // more than a screen shows

    private readonly OrderedDictionary<string, Curve> _curves = [];
    private long _first, _width = 1;
    private int _count;

    /// <summary>What a screen draws.</summary>
    /// <param name="First">The step of the first point.</param>
    /// <param name="Width">Steps that share a point.</param>
    /// <param name="From">Number of the first point that is here; the ones before are as they were.</param>
    /// <param name="Count">Points that there are.</param>
    /// <param name="Curves">
    /// The values by name: one a point where the width is 1, else two, the second half a width after the first; NaN where there is none.
    /// </param>
    public sealed record Drawn(long First, long Width, int From, int Count, IReadOnlyDictionary<string, double[]> Curves);

    private readonly record struct Point(double Least, double Greatest, bool LeastFirst)
    {
        public static readonly Point None = new(double.NaN, double.NaN, true);

        private bool IsNone => double.IsNaN(Least);

        public Point With(Point later)
        {
            if (IsNone || later.IsNone) return IsNone ? later : this;
            (bool least, bool greatest) = (later.Least < Least, later.Greatest > Greatest);          // whether they come later
            return new(least ? later.Least : Least, greatest ? later.Greatest : Greatest,
                least != greatest ? greatest : least ? later.LeastFirst : LeastFirst);
        }
    }

    private sealed class Curve : List<Point>;

    /// <summary>Adds a step; those of a run come in their order.</summary>
    public void Add(StepRecord record)
    {
        if (_count == 0) _first = record.Step;
        long place = (record.Step - _first) / _width;
        while (place >= MostPoints)
        {
            Halve();
            place = (record.Step - _first) / _width;
        }
        _count = Math.Max(_count, (int)place + 1);
        foreach ((string name, double value) in record.Figures())
        {
            if (!_curves.TryGetValue(name, out Curve? curve)) _curves[name] = curve = [];
            while (curve.Count <= place) curve.Add(Point.None);
            if (double.IsFinite(value)) curve[(int)place] = curve[(int)place].With(new(value, value, true));
        }
    }

    /// <summary>Forgets all steps.</summary>
    public void Clear()
    {
        _curves.Clear();
        (_width, _count) = (1, 0);
    }

    /// <summary>The curves, or what is new in them.</summary>
    /// <param name="known">What the screen has; null for nothing.</param>
    public Drawn Draw(Drawn? known = null)
    {
        // The last point that is known may have grown; and after a resumption there may be fewer.
        int from = known is not null && (known.First, known.Width) == (_first, _width) && known.Count <= _count
            ? Math.Max(0, known.Count - 1) : 0;
        return new(_first, _width, from, _count, _curves.ToDictionary(curve => curve.Key, curve => Values(curve.Value, from)));
    }

    private double[] Values(Curve curve, int from)
    {
        IEnumerable<Point> points = Enumerable.Range(from, _count - from).Select(at => at < curve.Count ? curve[at] : Point.None);
        return [.. _width == 1 ? points.Select(point => Short(point.Least))
            : points.SelectMany(point => point.LeastFirst ? [Short(point.Least), Short(point.Greatest)]
                : new[] { Short(point.Greatest), Short(point.Least) })];
    }

    /// <summary>A value with as many digits as are looked at.</summary>
    private static double Short(double value) => double.IsFinite(value)
        ? double.Parse(value.ToString($"G{Digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : value;

    private void Halve()
    {
        foreach (Curve curve in _curves.Values)
        {
            for (int at = 0; 2 * at < curve.Count; at++)
                curve[at] = 2 * at + 1 < curve.Count ? curve[2 * at].With(curve[2 * at + 1]) : curve[2 * at];
            curve.RemoveRange((curve.Count + 1) / 2, curve.Count / 2);
        }
        (_width, _count) = (2 * _width, (_count + 1) / 2);
    }
}
