using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Alpro.Model.Arithmetic;
using Alpro.Training.Collectives;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

/// <summary>A rank in a process of its own, over the stand-in for NCCL. It does what it is told, line by line, and answers each.</summary>
internal sealed class RankProcess : IDisposable
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(30);

    private static string Assembly => typeof(RankProcess).Assembly.Location;

    private readonly Process _process;

    private RankProcess(Process process) => _process = process;

    /// <summary>Where it listens.</summary>
    private string Port { get; set; } = "";

    /// <summary>Starts several ranks, one of them with a fault.</summary>
    public static async Task<RankProcess[]> StartAsync(int count, int faulty = -1, string fault = "")
    {
        RankProcess[] ranks = [.. Enumerable.Range(0, count).Select(rank => Start(rank == faulty ? fault : ""))];
        foreach (RankProcess rank in ranks) rank.Port = await rank.AnswerAsync();
        return ranks;
    }

    /// <summary>Tells all that they are the ranks of a group.</summary>
    public static void TellToJoin(long generation, params RankProcess[] ranks)
    {
        string ports = string.Join(' ', ranks.Select(rank => rank.Port));
        for (int rank = 0; rank < ranks.Length; rank++) ranks[rank].Tell($"join {generation} {rank} {ports}");
    }

    /// <summary>Tells the same to all; their answers.</summary>
    public static async Task<string[]> AskAsync(string command, params RankProcess[] ranks)
    {
        foreach (RankProcess rank in ranks) rank.Tell(command);
        return await AnswersAsync(ranks);
    }

    /// <summary>The next answer of each.</summary>
    public static Task<string[]> AnswersAsync(params RankProcess[] ranks) => Task.WhenAll(ranks.Select(rank => rank.AnswerAsync()));

    public void Tell(string command) => _process.StandardInput.WriteLine(command);

    public async Task<string> AnswerAsync() => await _process.StandardOutput.ReadLineAsync().WaitAsync(_deadline) ?? "dead";

    public void Kill() => _process.Kill();

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static RankProcess Start(string fault) => new(Process.Start(new ProcessStartInfo("dotnet", ["exec", Assembly, "rank"])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        Environment = { ["NCCL_STAND_IN"] = fault },
    })!);

    /// <summary>What the process does.</summary>
    public static void Serve()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        Console.WriteLine(((IPEndPoint)listener.LocalEndPoint!).Port);
        NcclCollectives? group = null;
        while (Console.ReadLine() is { } line)
        {
            using var scope = NewDisposeScope();
            string[] words = line.Split(' ');
            try
            {
                switch (words[0])
                {
                    case "join":
                        group?.Dispose();
                        EndPoint[] endpoints = [.. words[3..].Select(port => new IPEndPoint(IPAddress.Loopback, int.Parse(port)))];
                        var place = new RingGroup(long.Parse(words[1]), int.Parse(words[2]), endpoints);
                        group = NcclStandIn.Over(RingCollectives.JoinAsync(place, listener, new()).GetAwaiter().GetResult());
                        Console.WriteLine("joined");
                        break;
                    case "reduce":
                        Tensor own = full(long.Parse(words[1]), group!.Rank + 1f);
                        group.AllReduce(own);
                        NcclStandIn.Synchronize();
                        group.ThrowIfOver();
                        Console.WriteLine($"{own.min().item<float>()} to {own.max().item<float>()}");
                        break;
                    case "leave":
                        group!.Dispose();
                        Console.WriteLine($"left, {NcclStandIn.Misuses} misuses");
                        break;
                }
            }
            catch (CollectivesException over)
            {
                Console.WriteLine($"over: {over.Message}");
            }
        }
    }
}
