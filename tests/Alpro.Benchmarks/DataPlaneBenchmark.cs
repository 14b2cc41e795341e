using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Data.Clips;
using Alpro.Model.Checkpoints;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>dataplane [CLIPS]</c>: sends clips of 8 frames at 224 px over loopback, through <see cref="ClipSender"/> and
/// <see cref="ClipReceiver"/> with 8 clips under way at most, beside a plain copy of as many bytes from socket to socket; both over TCP and
/// over mutual TLS, in turns. Processor time is that of both ends. Meanwhile two nodes in this process keep up a cluster: how long its
/// control messages took, and whether either was taken for dead.
/// </summary>
internal static class DataPlaneBenchmark
{
    private const int Rounds = 5, UnderWay = 8;

    private static readonly ClipSettings _clips = new()
    {
        Frames = 8,
        Size = 224,
        DecodeSize = 224,
        TextLength = 30,
        MaskProbability = 0.15,
    };

    private sealed record Cost(double Seconds, double CpuMs);

    public static int Run(string[] args) => RunAsync(args.Length > 0 ? int.Parse(args[0]) : 1000).GetAwaiter().GetResult();

    private static async Task<int> RunAsync(int count)
    {
        string folder = Directory.CreateTempSubdirectory("alpro-dataplane-").FullName;
        try
        {
            using NodeCertificates certificates = NodeCertificates.Load(NodeCertificates.Create(folder, ["localhost"],
                TimeProvider.System)[0]);
            await using var pulse = await Pulse.StartAsync();
            using Clip clip = NewClip();
            int bytes = clip.Pixels_THWC.Length;
            foreach (NodeCertificates? plane in new[] { null, certificates })
            {
                var floor = new List<Cost>();
                var ours = new List<Cost>();
                for (int round = -1; round < Rounds; round++)        // the first warms up
                {
                    Cost copied = await MeasureAsync(plane, stream => Copy(stream, bytes, count), stream => Take(stream, bytes, count));
                    Cost sent = await SendAsync(plane, clip, count);
                    if (round < 0) continue;
                    floor.Add(copied);
                    ours.Add(sent);
                }
                Table table = new Table().Title(plane is null ? "TCP" : "mutual TLS").AddColumns("what", "MB/s", "CPU ms a clip",
                    "CPU beside the copy");
                foreach ((string what, List<Cost> costs) in new[] { ("plain copy (floor)", floor), ("clips, checksummed", ours) })
                    table.AddRow(what, $"{(double)bytes * count / 1e6 / Median(costs.Select(cost => cost.Seconds)):F0}",
                        $"{Median(costs.Select(cost => cost.CpuMs)) / count:F3}",
                        $"{Median(costs.Zip(floor, (cost, beside) => cost.CpuMs / beside.CpuMs)):F2}");
                AnsiConsole.Write(table);
            }
            AnsiConsole.WriteLine($"clips of {bytes / 1e6:F2} MB, {count} a round, median of {Rounds} rounds, both ends in this process");
            AnsiConsole.WriteLine(await pulse.ReportAsync());
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Clip NewClip()
    {
        var clip = new Clip(new(0, 0, 0, 0, 0, 0), new(_clips)) { Key = "a clip", TokenCount = 2 };
        for (int i = 0; i < clip.Pixels_THWC.Length; i++) clip.Pixels_THWC[i] = (byte)(i * 31 >> 3);
        return clip;
    }

    private static async Task<Cost> SendAsync(NodeCertificates? certificates, Clip clip, int count)
    {
        using var credits = new SemaphoreSlim(UnderWay);
        return await MeasureAsync(certificates, Send, Receive, DataPlane.Loop);

        void Send(Stream stream)
        {
            var sender = new ClipSender(stream, new(_clips));
            for (int i = 0; i < count; i++)
            {
                credits.Wait();
                sender.SendAsync(clip).GetAwaiter().GetResult();
            }
        }

        void Receive(Stream stream)
        {
            var receiver = new ClipReceiver(stream, new(_clips), new(Tokens: 1, Answers: 0));
            for (int i = 0; i < count; i++)
            {
                receiver.ReceiveAsync(static _ => true).GetAwaiter().GetResult()!.Dispose();
                credits.Release();
            }
        }
    }

    private static void Copy(Stream stream, int bytes, int count)
    {
        byte[] buffer = new byte[bytes];
        for (int i = 0; i < count; i++) stream.Write(buffer);
    }

    private static void Take(Stream stream, int bytes, int count)
    {
        byte[] buffer = new byte[bytes];
        for (int i = 0; i < count; i++) stream.ReadExactly(buffer);
    }

    /// <summary>Runs both ends of a new connection, each on a thread of its own.</summary>
    private static async Task<Cost> MeasureAsync(NodeCertificates? certificates, Action<Stream> send, Action<Stream> receive,
        SocketLoop? loop = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        using var stop = new CancellationTokenSource();
        var accepted = new TaskCompletionSource<Stream>(TaskCreationOptions.RunContinuationsAsynchronously);
        int port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        Task listening = DataPlane.ListenAsync(socket, certificates, (_, stream) => accepted.SetResult(stream),
            reason => accepted.TrySetException(new IOException(reason)), stop.Token, loop);
        await using Stream from = await DataPlane.ConnectAsync("localhost", port, DataPlane.NewToken(), certificates,
            CancellationToken.None, loop), to = await accepted.Task;
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        await Task.WhenAll(Task.Factory.StartNew(() => send(from), TaskCreationOptions.LongRunning),
            Task.Factory.StartNew(() => receive(to), TaskCreationOptions.LongRunning));
        var cost = new Cost(Stopwatch.GetElapsedTime(began).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds);
        await stop.CancelAsync();
        await listening;
        return cost;
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(Rounds / 2);
}
