using System.Text.RegularExpressions;
using Alpro.Training.Records;

namespace Alpro.Web.Tests;

public sealed partial class RunReportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Write(int steps)
    {
        var folder = new RunFolder(_folder.Path);
        using (var log = new RunLog(folder, 0, 0))
        {
            for (int step = 0; step < steps; step++) log.Add(Step(step));
            log.Add(new ValidationRecord(steps, 0.5, new Dictionary<string, double> { ["text2videoR1"] = 42 }, 1));
            log.Flush();
        }
        File.WriteAllText(folder.Config, "{ \"learningRate\": 0.001, \"note\": \"</script><script>alert(1)</script>\" }");
        File.WriteAllText(folder.Ledger, """[{"Key":"delivered","Value":"4000"},{"Key":"rejected <b>","Value":"3"}]""");
        RunReport.Write(folder);
        return File.ReadAllText(folder.Report);
    }

    private static StepRecord Step(long step) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "0",
        Loss = step == 7 ? double.NaN : 12.345678901234 / (1.0 + step),
        Terms = new[] { "vtc", "vtm", "mlm", "pem" }.ToDictionary(term => term, term => new TermRecord(Math.Sin(step), step % 65, 64)),
        LearningRate = 1e-4 / (1 + step),
        GradientNorm = Math.Cos(step),
        StepMs = 100 + Math.Sin(step),
        WaitMs = Math.Abs(Math.Sin(3 * step)),
        ForwardMs = 40 + Math.Sin(7 * step),
        BackwardMs = 50 + Math.Sin(11 * step),
        ClipsPerSecond = 40 + Math.Sin(5 * step),
        ResidentMb = 500 + step,
    };

    [Fact]
    public void Report_is_one_file_that_names_no_other_and_whose_data_end_no_script()
    {
        string page = Write(steps: 40);
        Assert.DoesNotMatch(Loads(), page);
        Assert.Contains("\\u003c/script>\\u003cscript>alert(1)", page.Replace("\\\\u003c", "\\u003c", StringComparison.Ordinal)
            .Replace("\\u003C", "\\u003c", StringComparison.Ordinal).Replace("\\u003e", ">", StringComparison.Ordinal)
            .Replace("\\u003E", ">", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        foreach (string expected in new[] { "\"text2videoR1\":42", "\"key\":\"delivered\"", "\"value\":\"4000\"",
            "\"speed/clipsPerSecond\":[" })
            Assert.Contains(expected, page, StringComparison.Ordinal);
    }

    [Fact]
    public void Report_of_very_many_steps_stays_small()
    {
        string page = Write(steps: 65_535);                          // of 2^16 or more, points stand for twice as many steps each
        Assert.InRange(page.Length, 100_000, 1_000_000);
    }

    [Fact]
    public void Report_is_written_again_only_where_there_is_one()
    {
        var folder = new RunFolder(_folder.Path);
        RunReport.Refresh(folder);
        Assert.False(File.Exists(folder.Report));
        Write(steps: 1);
        File.Delete(folder.Report);
        RunReport.Refresh(folder);
        Assert.True(File.Exists(folder.Report));
    }

    [Fact]
    public void Several_may_write_the_report_at_once()
    {
        string page = Write(steps: 20);
        var folder = new RunFolder(_folder.Path);
        Parallel.For(0, 40, new() { MaxDegreeOfParallelism = 8 }, _ => RunReport.Write(folder));
        Assert.InRange(File.ReadAllText(folder.Report).Length, page.Length - 10, page.Length + 10);       // it says when it was written
        Assert.False(File.Exists($"{folder.Report}.partial"));
    }

    [GeneratedRegex("<(script|img|link)[^>]* (src|href)=\"(?!data:)")]
    private static partial Regex Loads();
}
