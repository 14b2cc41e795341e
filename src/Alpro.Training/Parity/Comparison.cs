using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>Compares tensors with golden ones, item by item, and keeps the worst differences for a line of the table.</summary>
/// <param name="item">The line's name.</param>
/// <param name="tolerance">What is tolerated.</param>
internal sealed class Comparison(string item, Comparison.Tolerance tolerance)
{
    /// <summary>Largest tolerated difference of an element: absolute, plus relative times the golden element.</summary>
    public static readonly Tolerance Values = new("2e-5 + 2e-5 |x|", Absolute: 2e-5, Relative: 2e-5);

    /// <summary>
    /// Norm of the difference over the norm, for gradients; gradients that are 0 but for rounding are compared absolutely.
    /// </summary>
    public static readonly Tolerance Gradients = new("1e-4 of the norm", Absolute: 1e-6, OfNorm: 1e-4);

    /// <summary>Parameters after optimizer steps.</summary>
    public static readonly Tolerance Parameters = new("1e-4", Absolute: 1e-4);

    /// <summary>No difference.</summary>
    public static readonly Tolerance Exact = new("exact", Absolute: 0);

    private int cases;
    private double worstAbsolute, worstRelative;
    private string? failure;

    /// <summary>One tensor; the first that fails is named.</summary>
    public void Add(string name, Tensor golden, Tensor actual)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        cases++;
        if (golden.numel() != actual.numel())
        {
            Fail($"{name} is [{string.Join(", ", actual.shape)}], expected [{string.Join(", ", golden.shape)}]");
            return;
        }
        if (golden.numel() == 0) return;
        Tensor expected = golden.to(CPU).to(ScalarType.Float64).flatten(), found = actual.to(CPU).to(ScalarType.Float64).flatten();
        Tensor difference = found.Minus(expected).abs();
        double absolute = difference.max().item<double>(), norm = expected.norm().item<double>();
        double relative = absolute == 0 ? 0 : norm == 0 ? double.PositiveInfinity : difference.norm().item<double>() / norm;
        bool passed = tolerance.OfNorm > 0
            ? relative <= tolerance.OfNorm || absolute <= tolerance.Absolute
            : difference.Minus(expected.abs().Times(tolerance.Relative)).max().item<double>() <= tolerance.Absolute;
        worstAbsolute = Worse(worstAbsolute, absolute);
        if (double.IsFinite(relative) && absolute > tolerance.Absolute) worstRelative = Worse(worstRelative, relative);
        if (!passed) Fail($"{name} is off by {absolute:g3} at most, {relative:g3} of its norm");
    }

    /// <summary>One number.</summary>
    public void Add(string name, double golden, double actual)
    {
        using var scope = NewDisposeScope();
        Add(name, tensor(golden), tensor(actual));
    }

    /// <summary>A failure that is not a difference.</summary>
    public void Fail(string reason) => failure ??= reason;

    /// <summary>The line of the table.</summary>
    public ParityRow Row() => new(item, cases, worstAbsolute, worstRelative, tolerance.Words, failure is null && cases > 0,
        failure ?? (cases > 0 ? null : "nothing to compare"));

    // A value that is not a number is the worst of all.
    private static double Worse(double a, double b) => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Max(a, b);

    /// <summary>What is tolerated, and how the table says it.</summary>
    internal sealed record Tolerance(string Words, double Absolute, double Relative = 0, double OfNorm = 0);
}
