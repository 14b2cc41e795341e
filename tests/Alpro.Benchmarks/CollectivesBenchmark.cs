using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// The ring beside a plain copy through a TCP connection in the same run, every rank a process of its own; then how long it takes until all
/// others have the exception that names a rank which was killed in the middle of an operation.
/// </summary>
internal static class CollectivesBenchmark
{
    private const int Piece = 1 << 20, Warmup = 2;

    private static readonly (int Bytes, int Repeats)[] Sizes = [(64 << 10, 200), (4 << 20, 50), (256 << 20, 5)];

    public static int Run(string[] args)
    {
        if (args is ["rank", var rank, var ranks]) return Child(int.Parse(rank), int.Parse(ranks));
        double copy = Enumerable.Range(0, 3).Max(_ => Copy(512L << 20));
        Console.WriteLine($"plain TCP copy over loopback: {copy:F2} GB/s");
        for (int world = 2; world <= 4; world++) Ring(world, copy);
        return 0;
    }

    /// <summary>This process is rank 0, the last rank is killed when all is measured.</summary>
    private static void Ring(int world, double copy)
    {
        using Socket listener = Listen();
        Process[] children = [.. Enumerable.Range(1, world - 1).Select(rank => Start(rank, world))];
        string[] ports = [((IPEndPoint)listener.LocalEndPoint!).Port.ToString(), .. children.Select(child => child.StandardOutput.ReadLine()!)];
        foreach (Process child in children) child.StandardInput.WriteLine(string.Join(' ', ports));
        using (RingCollectives ring = Join(0, ports, listener))
        {
            foreach ((int bytes, int repeats) in Sizes)
            {
                double seconds = Measure(ring, bytes, repeats), moved = bytes * 2.0 * (world - 1) / world;
                Console.WriteLine($"all-reduce of {bytes / 1024.0 / 1024:0.####} MiB on {world} ranks: {seconds * 1000:F2} ms, {bytes / seconds / 1e9:F2} GB/s; "
                    + $"each rank sends {moved / seconds / 1e9:F2} GB/s, {moved / seconds / 1e9 * world / copy:F2} of the copy over all ranks");
            }
            long killed = 0;
            var killer = new Thread(() =>
            {
                children[^1].StandardOutput.ReadLine();              // it is under way
                killed = Stopwatch.GetTimestamp();                   // one clock for all processes of a machine
                children[^1].Kill();
            });
            killer.Start();
            (long failed, string failure) = UntilItFails(ring);
            killer.Join();
            IEnumerable<long> all = children[..^1].Select(child => long.Parse(child.StandardOutput.ReadToEnd().Trim().Split('\n')[^1])).Prepend(failed);
            Console.WriteLine($"rank {world - 1} of {world} killed: the others have the exception after {string.Join(", ", all.Select(at => $"{Stopwatch.GetElapsedTime(killed, at).TotalMilliseconds:F1}"))} ms: {failure}");
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
        using RingCollectives ring = Join(rank, Console.ReadLine()!.Split(' '), listener);
        foreach ((int bytes, int repeats) in Sizes) Measure(ring, bytes, repeats);
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

    /// <summary>Bytes through one connection in pieces, both ends in this process; GB/s.</summary>
    private static double Copy(long bytes)
    {
        using Socket listener = Listen();
        using var sender = new Socket(SocketType.Stream, ProtocolType.Tcp);
        sender.Connect(listener.LocalEndPoint!);
        using Socket receiver = listener.Accept();
        var clock = Stopwatch.StartNew();
        var thread = new Thread(() =>
        {
            byte[] piece = new byte[Piece];
            for (long sent = 0; sent < bytes; sent += Piece) sender.Send(piece);
        });
        thread.Start();
        byte[] buffer = new byte[Piece];
        for (long received = 0; received < bytes;) received += receiver.Receive(buffer);
        thread.Join();
        return bytes / clock.Elapsed.TotalSeconds / 1e9;
    }

    private static RingCollectives Join(int rank, string[] ports, Socket listener) =>
        RingCollectives.JoinAsync(new(1, rank, [.. ports.Select(port => new IPEndPoint(IPAddress.Loopback, int.Parse(port)))]), listener, new()).GetAwaiter().GetResult();

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
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet") start.ArgumentList.Add(typeof(CollectivesBenchmark).Assembly.Location);
        foreach (string argument in new[] { "collectives", "rank", $"{rank}", $"{world}" }) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
