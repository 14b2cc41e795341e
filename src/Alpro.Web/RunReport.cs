using System.Text;
using System.Text.Json;
using Alpro.Model.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Web;

/// <summary>The page of a run that has ended, as one file that needs no other: what became of the run, as its folder says.</summary>
public static class RunReport
{
    /// <summary>Writes it into the run's folder.</summary>
    public static void Write(RunFolder folder)
    {
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
