using System.Text.RegularExpressions;

namespace Alpro.Training.Tests;

public sealed class RunLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_and_a_resumed_run_writes_on_after_its_checkpoint()
    {
        using (var log = new RunLog(_folder.Path, 0, 0))
        {
            for (int step = 0; step < 5; step++) log.Write(Record(step, loss: step == 4 ? double.NaN : step));
            log.Write(new ValidationRecord(4, 0.5, new Dictionary<string, double> { ["r1"] = 0.5 }, 1));
            log.Write(new ValidationRecord(5, 0.6, new Dictionary<string, double> { ["r1"] = 0.6 }, 1));
        }
        File.AppendAllText(RunLog.StepsFile(_folder.Path), "{\"step\": 5, \"epo");     // a crash in the middle of a line
        Assert.True(double.IsNaN(RunLog.Read<StepRecord>(RunLog.StepsFile(_folder.Path)).Last().Loss));

        using (var log = new RunLog(_folder.Path, 4, 4)) log.Write(Record(4, loss: 4));
        Assert.Equal([0.0, 1, 2, 3, 4], RunLog.Read<StepRecord>(RunLog.StepsFile(_folder.Path)).Select(record => record.Loss));
        Assert.Equal([4L], RunLog.Read<ValidationRecord>(RunLog.ValidationsFile(_folder.Path)).Select(record => record.Step));
        new RunLog(_folder.Path, 4, 3).Dispose();                    // which validates again
        Assert.Empty(RunLog.Read<ValidationRecord>(RunLog.ValidationsFile(_folder.Path)));
        Assert.NotEmpty(Directory.EnumerateFiles(_folder.File("tensorboard"), "events.out.tfevents*"));
    }

    [Fact]
    public void A_line_that_is_no_record_is_named_and_disturbs_nobody_who_does_not_need_it()
    {
        string file = RunLog.StepsFile(_folder.Path);
        using (var log = new RunLog(_folder.Path, 0, 0))
            for (int step = 0; step < 500; step++) log.Write(Record(step, loss: step));
        string[] lines = File.ReadAllLines(file);
        lines[9] = lines[9][..20];
        File.WriteAllLines(file, lines);
        Assert.Contains($"{file}: 1 problem{Environment.NewLine}  line 10: is no record of a run", Assert.Throws<ConfigException>(() => RunLog.Read<StepRecord>(file).Count()).Message, StringComparison.Ordinal);
        Assert.Equal(499, RunLog.Last<StepRecord>(file)!.Step);
        using (var log = new RunLog(_folder.Path, 400, 400)) log.Write(Record(400, loss: 1));
        Assert.Equal((401, 400), (File.ReadLines(file).Count(), RunLog.Last<StepRecord>(file)!.Step));
        Assert.Contains("  line 10: ", Assert.Throws<ConfigException>(() => new RunLog(_folder.Path, 20, 20)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Records_of_any_length_are_found_again_whatever_the_crash_left_behind()
    {
        string file = RunLog.ValidationsFile(_folder.Path);
        string[] lines = [.. Enumerable.Range(1, 60).Select(step => System.Text.Json.JsonSerializer.Serialize(
            new ValidationRecord(step, step, new Dictionary<string, double> { [new string('x', step * 5000)] = 1 }, 1), RunLog.Json))];
        File.WriteAllText(file, string.Join('\n', lines) + "\n" + new string('\0', 300_000));
        Assert.Equal(Enumerable.Range(1, 60).Select(step => (long)step), RunLog.Read<ValidationRecord>(file).Select(record => record.Step));
        foreach (int step in (int[])[60, 59, 31, 30, 2, 1, 0])
        {
            new RunLog(_folder.Path, step, step).Dispose();
            Assert.Equal(lines[..step], File.ReadAllLines(file));
            Assert.Equal(step == 0 ? null : step, RunLog.Last<ValidationRecord>(file)?.Step);
        }
    }

    [Fact]
    public void The_report_is_one_page_that_fetches_nothing()
    {
        using (var log = new RunLog(_folder.Path, 0, 0))
        {
            for (int step = 0; step < 1000; step++) log.Write(Record(step, loss: 1 / (1.0 + step)));
            log.Write(new ValidationRecord(1000, 0.5, new Dictionary<string, double> { ["text2videoR1"] = 42 }, 1));
        }
        Report.Write(_folder.Path, TinyRun.Config(), [new("delivered", "4000"), new("rejected <b>", "3")]);
        string page = File.ReadAllText(_folder.File("report.html"));
        Assert.DoesNotMatch(new Regex("(src|href|url)\\s*[=(]"), page);
        foreach (string expected in new[] { "1000 steps", "Validation: text2videoR1", "Clips per second", "rejected &lt;b&gt;", "&quot;learningRate&quot;: 0.001" })
            Assert.Contains(expected, page, StringComparison.Ordinal);
        Assert.InRange(page.Length, 10_000, 400_000);
    }

    private static StepRecord Record(long step, double loss) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "0",
        Loss = loss,
        Terms = new Dictionary<string, TermRecord> { ["vtc"] = new(loss, 1, 4) },
        LearningRate = 1e-4,
        GradientNorm = 1,
        StepMs = 100,
        ClipsPerSecond = 40,
    };
}
