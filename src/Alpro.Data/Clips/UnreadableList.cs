using System.Globalization;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>The lines of an <c>unreadable.csv</c>, whoever writes it: a run, or a scan, which has no steps.</summary>
internal static class UnreadableList
{
    /// <summary>The first line.</summary>
    public const string Header = "corpus,row,path,reason,message,step,slot,attempt";

    /// <summary>The line of a clip.</summary>
    /// <param name="corpus">The corpus's name.</param>
    /// <param name="row">Row within it, from 0.</param>
    /// <param name="path">The media file.</param>
    /// <param name="reason">The kind of trouble.</param>
    /// <param name="message">What was found.</param>
    /// <param name="request">The request that met it, of a run.</param>
    public static string Line(string corpus, long row, string path, RejectReason reason, string message, ClipRequest? request = null) =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Quoted(corpus)},{row},{Quoted(path)},{reason},{Quoted(message)},{request?.Step},{request?.Slot},{request?.Attempt}");

    private static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal).ReplaceLineEndings(" ")}\"";
}
