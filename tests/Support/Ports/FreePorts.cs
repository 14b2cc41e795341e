using System.Net;
using System.Net.Sockets;

namespace Alpro.Tests.Support;

/// <summary>
/// Ports that nobody has, for those that are told theirs. They may bind them long after they were chosen. Meanwhile others open connections
/// and pages, whose ports the system chooses, from 32768 on by default. So these lie below, and each process that chooses begins elsewhere.
/// </summary>
internal static class FreePorts
{
    private const int First = 10_000, Choice = 22_000;

    private static int _chosen;

    /// <summary>Such a port.</summary>
    public static int One()
    {
        while (true)
        {
            int port = First + (int)(((uint)Environment.ProcessId * 97 + (uint)Interlocked.Increment(ref _chosen)) % Choice);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it: the next.
            }
        }
    }

    /// <summary>Several such ports, all different.</summary>
    public static int[] Some(int count) => [.. Enumerable.Range(0, count).Select(_ => One())];
}
