using Alpro.Training.Records;

namespace Alpro.Cli.Tests;

public sealed class ProgressLineTests
{
    [Fact]
    public void Line_fits_the_terminal_and_other_lines_pass_above_it()
    {
        var terminal = new StringWriter();
        using (var line = new ProgressLine(terminal, () => 20))
        {
            line.Show(0.5, "pretrain 350/700  loss 1.234");
            line.Say("validation after step 350, which is said in a line that is wider than the terminal");
            line.Show(1, "done");
        }
        string[] written = terminal.ToString().Split("\r\u001b[K")[1..];
        Assert.Equal([" 50 % pretrain 350/", "validation after step 350, which is said in a line that is wider than the terminal"
            + Environment.NewLine + " 50 % pretrain 350/", "100 % done", ""], written);
        Assert.Equal(19, written[0].Length);
    }

    private static readonly StepRecord _step = new()
    {
        Step = 349,
        Epoch = 0,
        Corpus = 0,
        Clips = "",
        Loss = 1.2344,
        Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 0,
        GradientNorm = 0,
        ClipsPerSecond = 41.7,
        WaitShare = 0.25,
    };

    [Fact]
    public void Line_of_a_run_says_rate_time_left_loss_waiting_and_verdict()
    {
        var status = new RunStatus(DateTimeOffset.UnixEpoch, 350, 700, 90, 1.2, 24.2, 0.31, 2,
            new(FindingKind.SlowDisk, "Training waits 31 % of each step.", "Pack the corpus.", 0.31), []);
        Assert.Equal("42 clips/s  0:12:10 left  loss 1.234  wait 25 %  step 350/700",
            RunProgress.Line(_step, 700, TimeSpan.FromSeconds(730), null));
        Assert.Equal("24 clips/s  0:12:10 left  loss 1.234  wait 31 %  step 350/700  Training waits 31 % of each step.",
            RunProgress.Line(_step, 700, TimeSpan.FromSeconds(730), status));
    }

    [Fact]
    public void Less_than_sixty_columns_have_room_for_rate_time_loss_and_waiting()
    {
        var terminal = new StringWriter();
        using (var line = new ProgressLine(terminal, () => 55))
            line.Show(0.5, RunProgress.Line(_step, 700, TimeSpan.FromSeconds(730), null));
        Assert.Contains("wait 25 %", terminal.ToString(), StringComparison.Ordinal);
    }
}
