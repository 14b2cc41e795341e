namespace Alpro.Training.Parity;

/// <summary>Compares plain numbers with golden ones and keeps the worst differences for a line of the table.</summary>
/// <param name="item">The line's name.</param>
/// <param name="relative">Largest tolerated difference over the golden number.</param>
internal sealed class NumberComparison(string item, double relative)
{
    private int _cases;
    private double _worstAbsolute, _worstRelative;
    private string? _failure;

    /// <summary>One number; the first that is too far off is named.</summary>
    public void Add(string name, double golden, double found)
    {
        _cases++;
        double absolute = Math.Abs(found - golden), share = absolute == 0 ? 0 : absolute / Math.Abs(golden);
        (_worstAbsolute, _worstRelative) = (Math.Max(_worstAbsolute, absolute), Math.Max(_worstRelative, share));
        if (!(share <= relative)) _failure ??= FormattableString.Invariant($"{name}: {found}, expected {golden}");
    }

    /// <summary>The line of the table.</summary>
    public ParityRow Row() => new(item, _cases, _worstAbsolute, _worstRelative, FormattableString.Invariant($"{relative:g1} |x|"),
        _failure is null && _cases > 0, _failure ?? (_cases > 0 ? null : "nothing to compare"));
}
