using System.Text;
using System.Text.Json;
using Alpro.Model.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Web;

/// <summary>The page of a run that has ended, as one file that needs no other: what became of the run, as its folder says.</summary>
public static class RunReport
{
    /// <summary>How long to wait for another process that writes the page, which takes it less than a second.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Writes it into the run's folder. At a run's end its trainer and its evaluators may write it at the same time. Each reads the folder
    /// when it is its turn, so the last page has what all of them found.
    /// </summary>
    /// <exception cref="IOException">The page cannot be written, or another process has been writing it for a minute.</exception>
    public static void Write(RunFolder folder)
    {
        using FileStream turn = FileTurn.Take(folder.ReportLock, _patience);
        var feed = new RunFeed(folder);
        RunFeed.View view = feed.Look(written: TimeProvider.System.GetUtcNow());
        string json = JsonSerializer.Serialize(new { View = view, Curves = feed.Curves() }, PageJson.Options);
        WholeFile.Write(folder.Report, stream => stream.Write(Encoding.UTF8.GetBytes(PageFiles.Inline("run.html", json))));
    }

    /// <summary>Writes that of a run that is over once more, with what was found since; nothing while there is none.</summary>
    public static void Refresh(RunFolder folder)
    {
        if (File.Exists(folder.Ledger)) Write(folder);
    }
}
