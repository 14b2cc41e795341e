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
}
