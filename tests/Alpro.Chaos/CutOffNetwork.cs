using System.Diagnostics;

namespace Alpro.Chaos;

/// <summary>A network of its own for a process, behind a cable that can be pulled: a Linux network namespace, which takes root.</summary>
internal sealed class CutOffNetwork : IDisposable
{
    private const string Space = "alpro-chaos";

    private CutOffNetwork()
    {
    }

    /// <summary>The address of this machine at its end of the cable.</summary>
    public static string Near => "10.77.0.1";

    /// <summary>The address of the processes at the other end.</summary>
    public static string Far => "10.77.0.2";

    /// <summary>The words that run a command at the other end.</summary>
    public static IReadOnlyList<string> Inside { get; } = ["ip", "netns", "exec", Space];

    /// <summary>Makes the network; null, with the reason, where that may not be done.</summary>
    public static CutOffNetwork? TryOpen(Action<string> say)
    {
        Remove();                                                    // what a process that was killed has left
        foreach (string words in new[]
        {
            $"netns add {Space}", $"link add {Space} type veth peer name eth0 netns {Space}", $"addr add {Near}/24 dev {Space}",
            $"link set {Space} up",
            $"-n {Space} addr add {Far}/24 dev eth0", $"-n {Space} link set eth0 up", $"-n {Space} link set lo up",
        })
        {
            if (Ip(words) is not { Length: > 0 } error) continue;
            say($"no network namespaces here, nothing is cut off: ip {words}: {error}");
            Remove();
            return null;
        }
        return new();
    }

    /// <summary>Pulls the cable, or plugs it in.</summary>
    public void Plug(bool plugged)
    {
        if (Ip($"link set {Space} {(plugged ? "up" : "down")}") is { Length: > 0 } error)
            throw new InvalidOperationException($"ip link set {Space}: {error}");
    }

    public void Dispose() => Remove();

    private static void Remove()
    {
        Ip($"link del {Space}");
        Ip($"netns del {Space}");
    }

    /// <summary>What was wrong; empty where nothing was.</summary>
    private static string Ip(string words)
    {
        try
        {
            using Process ip = Process.Start(new ProcessStartInfo("ip", words) { RedirectStandardError = true })!;
            string error = ip.StandardError.ReadToEnd().Trim();
            ip.WaitForExit();
            return ip.ExitCode == 0 ? "" : error.Length > 0 ? error : $"exit code {ip.ExitCode}";
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            return error.Message;                                    // there is no such command
        }
    }
}
