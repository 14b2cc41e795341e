namespace Alpro.Actors;

/// <summary>What the exit code of a process says.</summary>
public static class ExitCode
{
    /// <summary>The command did what it was asked for.</summary>
    public const int Success = 0;

    /// <summary>The command ran and failed.</summary>
    public const int Failure = 1;

    /// <summary>The input was wrong: arguments, configuration, files.</summary>
    public const int BadInput = 2;

    /// <summary>The GPU has failed and this process cannot use it any more. The next process may, or the machine needs attention.</summary>
    public const int DeviceLost = 3;

    /// <summary>Ctrl-C or SIGTERM stopped the run in order.</summary>
    public const int Interrupted = 130;
}
