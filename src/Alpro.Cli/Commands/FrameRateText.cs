using System.CommandLine;
using System.Globalization;

namespace Alpro.Cli.Commands;

/// <summary>A new frame rate as a person says it: frames per second, or a share such as <c>10%</c>.</summary>
internal static class FrameRateText
{
    /// <summary>The rate, or the share as a fraction; null where the text is neither.</summary>
    public static (double Value, bool IsShare)? Parse(string? text)
    {
        bool isShare = text is [.., '%'];
        return double.TryParse(text?.TrimEnd('%'), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value > 0
            && double.IsFinite(value)
            ? (isShare ? value / 100 : value, isShare) : null;
    }

    /// <summary>Refuses what is no rate.</summary>
    public static void Check(Option<string?> option) => option.Validators.Add(result =>
    {
        if (Parse(result.GetValueOrDefault<string>()) is null)
            result.AddError($"{option.Name} must be a number of frames per second, such as 5, or a share, such as 10%; not "
                + $"{result.GetValueOrDefault<string>()}.");
    });
}
