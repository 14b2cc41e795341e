using System.Text.Json;
using Alpro.Model.Checkpoints;

namespace Alpro.Actors.Runs;

/// <summary>
/// The folder of a run, held by those who write in it: one process that trains alone, or the coordinators and trainers of one cluster. The
/// system lets go of it when a process ends, however that ends, so a dead one holds nothing.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private const string LockName = ".lock", HolderName = ".holder";

    /// <summary>Whoever is about to end, or writes down who holds the folder, is waited for.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2), _lookEvery = TimeSpan.FromMilliseconds(20);

    private readonly FileStream _lock;

    private RunFolder(FileStream held) => _lock = held;

    /// <summary>Who holds a folder; of the nodes of a cluster, the one that came first.</summary>
    private sealed record Holder(string Host, int Process, DateTimeOffset Since, string? Cluster);

    /// <summary>Makes a folder, if there is none, and holds it until this is disposed.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cluster">The name of a cluster, whose nodes hold it together; null for a process that trains alone.</param>
    /// <param name="time">The clock by which others are waited for.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="UsageException">It cannot be written, or others hold it: who, since when.</exception>
    public static async Task<RunFolder> HoldAsync(string folder, string? cluster, TimeProvider time, CancellationToken stop)
    {
        string file = Path.Combine(folder, LockName), holder = Path.Combine(folder, HolderName);
        return await OutputPath.WriteAsync(folder, "--out", async () =>
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, ".writable");
            await File.WriteAllBytesAsync(probe, [], stop);
            File.Delete(probe);
            for (long began = time.GetTimestamp(); ; await Task.Delay(_lookEvery, time, stop))
            {
                if (cluster is not null && Open(file, FileMode.Open, FileAccess.Read, FileShare.Read) is { } shared)
                {
                    if (Read(holder)?.Cluster == cluster) return new RunFolder(shared);
                    await shared.DisposeAsync();
                }
                if (Open(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None) is { } alone)
                {
                    var own = new Holder(Environment.MachineName, Environment.ProcessId, time.GetLocalNow(), cluster);
                    WholeFile.Write(holder, stream => JsonSerializer.Serialize(stream, own));
                    if (cluster is null) return new RunFolder(alone);
                    await alone.DisposeAsync();                      // the other nodes may come now, and this one with them
                }
                else if (time.GetElapsedTime(began) > _patience) throw Held(folder, Read(holder));
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    /// <summary>Opens the lock for all that share it, or for one alone; null while others hold it.</summary>
    private static FileStream? Open(string file, FileMode mode, FileAccess access, FileShare share)
    {
        try
        {
            return new(file, mode, access, share, bufferSize: 1);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static Holder? Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<Holder>(File.ReadAllBytes(file));
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            return null;                                             // whoever holds the folder has not written it yet
        }
    }

    private static UsageException Held(string folder, Holder? holder)
    {
        string who = holder is null ? "another process" : $"process {holder.Process} on {holder.Host}, which began at {holder.Since:yyyy-MM-dd HH:mm:ss}"
            + (holder.Cluster is { } cluster ? $", and the others of the cluster of {cluster}" : "");
        return new($"{folder}: is written by {who}; wait for the end of that run or stop it, or name another folder with --out");
    }
}
