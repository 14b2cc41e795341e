using Alpro.Actors;

namespace Alpro.Chaos;

/// <summary>
/// The running settings of clusters in tests: those of <c>hocon/cluster.conf</c>, with shorter times, since every node is on this machine:
/// who looks for others, agrees with them, or is given up, is waited for a second or two, and not ten.
/// </summary>
internal static class QuickCluster
{
    private const string Times = """

        alpro.cluster.stable-after = 1s
        akka.cluster {
          seed-node-timeout = 1s
          retry-unsuccessful-join-after = 500ms
          gossip-interval = 100ms
          leader-actions-interval = 100ms
          unreachable-nodes-reaper-interval = 100ms
          failure-detector { heartbeat-interval = 250ms, acceptable-heartbeat-pause = 2s }
        }
        """;

    /// <summary>The settings, as HOCON.</summary>
    public static string Settings { get; } = System.IO.File.ReadAllText(RunningSettings.ConfFile("cluster.conf")) + Times;

    /// <summary>A file of them.</summary>
    public static string File { get; } = Write(Settings);

    private static string Write(string hocon)
    {
        string file = Path.Combine(AppContext.BaseDirectory, "quick-cluster.conf");
        System.IO.File.WriteAllText(file, hocon);
        return file;
    }
}
