using System.Diagnostics;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Media;

/// <summary>Mutated files never crash, hang or leak. They are decoded in a child process, so that a crash is a failed test.</summary>
public sealed class FuzzTests
{
    private const int FilesPerKind = 40, Side = 48;
    private static readonly string[] _seeds = ["b-frames", "open group mkv", "fragmented", "transport stream", "hevc", "vp9",
        "mpeg-4 avi b-frames", "flv", "rotated 90", "gif"];

    [Fact]
    public void Mutated_files_do_no_harm()
    {
        using var reader = new IsolatedFrameReader(new DecodeLimits { MaxPixels = 1 << 22 },
            new WorkerCommand("dotnet", typeof(FuzzTests).Assembly.Location, "decode-worker"));
        var random = new SeededRandom(20);
        var reasons = new SortedDictionary<RejectReason, int>();
        string path = TestVideos.NewPath(".bin");
        int read = 0, handles = 0, worker = 0;
        long memory = 0;
        for (int round = 0; round < FilesPerKind; round++)
        {
            foreach (string kind in _seeds)
            {
                File.WriteAllBytes(path, Mutate(File.ReadAllBytes(TestVideos.Get(kind)), ref random));
                try
                {
                    int frames = reader.Open(new MediaSource(path)).FrameCount;
                    reader.Read([0, frames / 3, frames - 1], Side, Side, ResizeFilter.Bilinear, new byte[3 * Side * Side * 3]);
                    read++;
                }
                catch (UnreadableClipException exception)
                {
                    reasons[exception.Reason] = reasons.GetValueOrDefault(exception.Reason) + 1;
                }
                Assert.False(reasons.ContainsKey(RejectReason.DecoderDied) || reasons.ContainsKey(RejectReason.TimedOut),
                    $"round {round}, {kind}: {string.Join(", ", reasons)}");
            }
            if (round == FilesPerKind / 2) (worker, handles, memory) = (reader.WorkerId!.Value, Handles(reader), Memory(reader));
        }
        Assert.True(read > _seeds.Length && reasons.Count >= 3, $"{read} files were read, others refused: {string.Join(", ", reasons)}");
        Assert.Equal(worker, reader.WorkerId);
        Assert.InRange(Handles(reader), 0, handles + 2);
        Assert.InRange(Memory(reader) - memory, long.MinValue, 48L << 20);
    }

    /// <summary>Some bytes changed, anywhere or where headers lie, some runs moved, sometimes the end cut off.</summary>
    private static byte[] Mutate(byte[] file, ref SeededRandom random)
    {
        int region = random.NextInt32(3) switch { 0 => file.Length, 1 => Math.Min(2048, file.Length), _ => Math.Min(8192, file.Length) };
        bool atEnd = random.NextInt32(2) == 0;
        for (int change = 1 + random.NextInt32(30); change > 0; change--)
        {
            int at = random.NextInt32(region);
            if (atEnd) at = file.Length - 1 - at;
            switch (random.NextInt32(4))
            {
                case 0: file[at] = (byte)random.NextUInt64(); break;
                case 1: file[at] ^= (byte)(1 << random.NextInt32(8)); break;
                case 2: file[at] = 0xFF; break;
                default: file.AsSpan(at, Math.Min(64, file.Length - at)).CopyTo(file.AsSpan(random.NextInt32(file.Length - 63))); break;
            }
        }
        return random.NextInt32(6) == 0 ? file[..(1 + random.NextInt32(file.Length))] : file;
    }

    private static int Handles(IsolatedFrameReader reader) => Directory.GetFileSystemEntries($"/proc/{reader.WorkerId}/fd").Length;

    private static long Memory(IsolatedFrameReader reader)
    {
        using Process worker = Process.GetProcessById(reader.WorkerId!.Value);
        return worker.WorkingSet64;
    }
}
