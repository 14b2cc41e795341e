namespace Alpro.Cli;

/// <summary>
/// One line at the foot of a terminal that is written anew while other lines pass above it. It is never wider than the terminal, so nothing
/// of it stays behind.
/// </summary>
/// <param name="terminal">Where it is.</param>
/// <param name="width">Columns of the terminal now.</param>
internal sealed class ProgressLine(TextWriter terminal, Func<int> width) : IDisposable
{
    private const string Clear = "\r\e[K";

    private readonly Lock _lock = new();
    private string _shown = "";

    /// <summary>Shows how far something is.</summary>
    /// <param name="done">The part that is done, 0 to 1.</param>
    /// <param name="text">What a person wants to know of it; cut where there is no room.</param>
    public void Show(double done, string text)
    {
        lock (_lock)
        {
            int room = Math.Max(0, width() - 1);                     // the last column would wrap
            string line = $"{100 * done,3:0} % {text}";
            terminal.Write(Clear + (_shown = line.Length <= room ? line : line[..room]));
            terminal.Flush();
        }
    }

    /// <summary>Writes a line above; also when this one has been taken away.</summary>
    public void Say(string text)
    {
        lock (_lock)
        {
            terminal.Write($"{Clear}{text}{Environment.NewLine}{_shown}");
            terminal.Flush();
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            terminal.Write(Clear);
            _shown = "";
        }
    }
}
