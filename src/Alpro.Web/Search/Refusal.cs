using Microsoft.AspNetCore.Http;

namespace Alpro.Web.Search;

/// <summary>What is asked cannot be had, and the asker is told why.</summary>
/// <param name="status">The status of the answer.</param>
/// <param name="sentence">What was found, what was expected.</param>
internal sealed class Refusal(int status, string sentence) : Exception(sentence)
{
    /// <summary>The status of the answer.</summary>
    public int Status { get; } = status;

    /// <summary>The request makes no sense.</summary>
    public static Refusal Bad(string sentence) => new(StatusCodes.Status400BadRequest, sentence);

    /// <summary>There is no such thing.</summary>
    public static Refusal Missing(string sentence) => new(StatusCodes.Status404NotFound, sentence);

    /// <summary>Not now.</summary>
    public static Refusal Busy(string why) => new(StatusCodes.Status503ServiceUnavailable, $"Try again in a moment: {why}.");
}
