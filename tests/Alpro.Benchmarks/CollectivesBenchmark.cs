using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// The ring beside the least that its operations can be: plain sockets by which every rank sends as many bytes to the next and receives as
/// many from the previous at once, out of and into memory of that size. Every rank is a process of its own. Then how long it takes until
/// all others have the exception that names a rank which was killed in the middle of an operation. Meanwhile two nodes keep up a cluster.
/// </summary>
internal static class CollectivesBenchmark
{
    private const int Warmup = 2;

    private static readonly (int Bytes, int Repeats)[] _sizes = [(64 << 10, 200), (4 << 20, 50), (256 << 20, 5)];

    public static int Run(string[] args)
    {
        if (args is ["rank", var rank, var ranks]) return Child(int.Parse(rank), int.Parse(ranks));
        return RunAsync().GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync()
    {
        await using var pulse = await Pulse.StartAsync();
        for (int world = 2; world <= 4; world++) Ring(world);
        Console.WriteLine(await pulse.ReportAsync());
        return 0;
    }

    /// <summary>This process is rank 0, the last rank is killed when all is measured.</summary>
    private static void Ring(int world)
    {
        using Socket listener = Listen();
        Process[] children = [.. Enumerable.Range(1, world - 1).Select(rank => Start(rank, world))];
        string[] ports = [((IPEndPoint)listener.LocalEndPoint!).Port.ToString(),
            .. children.Select(child => child.StandardOutput.ReadLine()!)];
        foreach (Process child in children) child.StandardInput.WriteLine(string.Join(' ', ports));
        double[] floor = Exchange(0, ports, listener);
        using (RingCollectives ring = Join(0, ports, listener))
        {
            foreach (((int bytes, int repeats), double least) in _sizes.Zip(floor))
            {
                double seconds = Measure(ring, bytes, repeats);
                Console.WriteLine($"all-reduce of {bytes / 1024.0 / 1024:0.####} MiB on {world} ranks: {seconds * 1000:F2} ms, "
                    + $"{bytes / seconds / 1e9:F2} GB/s; "
                    + $"each rank sends {Moved(bytes, world) / seconds / 1e9:F2} GB/s; the same bytes over plain sockets {least * 1000:F2} "
                    + $"ms, {least / seconds:F2} of it");
            }
            long killed = 0, ended = 0;
            var killer = new Thread(() =>
            {
                children[^1].StandardOutput.ReadLine();              // it is under way
                killed = Stopwatch.GetTimestamp();                   // one clock for all processes of a machine
                children[^1].Kill();
                children[^1].WaitForExit();
                ended = Stopwatch.GetTimestamp();
            });
            killer.Start();
            (long failed, string failure) = UntilItFails(ring);
            killer.Join();
            IEnumerable<long> all = children[..^1].Select(child => long.Parse(child.StandardOutput.ReadToEnd().Trim().Split('\n')[^1]))
                .Prepend(failed);
            Console.WriteLine($"rank {world - 1} of {world} killed, its process had ended after "
                + $"{Stopwatch.GetElapsedTime(killed, ended).TotalMilliseconds:F1} ms: the others have the exception after "
                + $"{string.Join(", ", all.Select(at => $"{Stopwatch.GetElapsedTime(killed, at).TotalMilliseconds:F1}"))} ms: {failure}");
        }
        foreach (Process child in children)
        {
            child.WaitForExit();
            child.Dispose();
        }
    }

    private static int Child(int rank, int world)
    {
        using Socket listener = Listen();
        Console.WriteLine(((IPEndPoint)listener.LocalEndPoint!).Port);
        string[] ports = Console.ReadLine()!.Split(' ');
        Exchange(rank, ports, listener);
        using RingCollectives ring = Join(rank, ports, listener);
        foreach ((int bytes, int repeats) in _sizes) Measure(ring, bytes, repeats);
        Console.WriteLine("under way");
        Console.WriteLine(UntilItFails(ring).At);
        return 0;
    }

    private static double Measure(RingCollectives ring, int bytes, int repeats)
    {
        using Tensor sum = ones(bytes / sizeof(float));
        for (int i = 0; i < Warmup; i++) ring.AllReduce(sum);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < repeats; i++) ring.AllReduce(sum);
        return clock.Elapsed.TotalSeconds / repeats;
    }

    private static (long At, string Failure) UntilItFails(RingCollectives ring)
    {
        using Tensor sum = zeros(16 << 20);
        try
        {
            while (true) ring.AllReduce(sum);
        }
        catch (CollectivesException failure)
        {
            return (Stopwatch.GetTimestamp(), failure.Message);
        }
    }

    /// <summary>Bytes that each rank must send: once round to add, once round to hand out.</summary>
    private static int Moved(int bytes, int world) => (int)(2L * bytes * (world - 1) / world);

    /// <summary>Seconds in which each rank sends what an all-reduce makes it send, and receives as much, for each size.</summary>
    private static double[] Exchange(int rank, string[] ports, Socket listener)
    {
        using var next = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        next.Connect(IPAddress.Loopback, int.Parse(ports[(rank + 1) % ports.Length]));
        using Socket previous = listener.Accept();
        previous.NoDelay = true;
        return [.. _sizes.Select(size =>
        {
            int bytes = Moved(size.Bytes, ports.Length);
            byte[] sent = new byte[bytes], received = new byte[bytes];
            Array.Fill(sent, (byte)1);
            Turn(Warmup);
            return Turn(size.Repeats) / size.Repeats;

            double Turn(int repeats)
            {
                using var both = new Barrier(2);
                var sender = new Thread(() =>
                {
                    for (int i = 0; i < repeats; i++)
                    {
                        for (int at = 0; at < bytes;) at += next.Send(sent.AsSpan(at));
                        both.SignalAndWait();
                    }
                });
                var clock = Stopwatch.StartNew();
                sender.Start();
                for (int i = 0; i < repeats; i++)
                {
                    for (int at = 0; at < bytes;) at += previous.Receive(received.AsSpan(at));
                    both.SignalAndWait();
                }
                sender.Join();
                return clock.Elapsed.TotalSeconds;
            }
        })];
    }

    private static RingCollectives Join(int rank, string[] ports, Socket listener) =>
        RingCollectives.JoinAsync(new(1, rank, [.. ports.Select(port => new IPEndPoint(IPAddress.Loopback, int.Parse(port)))]), listener,
        new()).GetAwaiter().GetResult();

    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    private static Process Start(int rank, int world)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(CollectivesBenchmark).Assembly.Location);
        foreach (string argument in new[] { "collectives", "rank", $"{rank}", $"{world}" }) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
