using System.Text.Json;
using Alpro.Model.Checkpoints;

namespace Alpro.Training.Records;

/// <summary>Others write in a run's folder: the message says who, since when, and what to do.</summary>
public sealed class RunFolderHeldException(string message) : Exception(message);

/// <summary>
/// The right to write in a run's folder. One process that trains alone has it, or the coordinators and trainers of one cluster share it.
/// The system takes it back when a process ends, however that ends, so a dead process holds nothing.
/// </summary>
public sealed class RunLock : IDisposable
{
    /// <summary>How long a holder is waited for that is about to end, or to write down that it holds the folder.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2), _lookEvery = TimeSpan.FromMilliseconds(20);

    private readonly FileStream _lock;

    private RunLock(FileStream held) => _lock = held;

    /// <summary>Who holds a folder; of the nodes of a cluster, the one that came first.</summary>
    private sealed record Holder(string Host, int Process, DateTimeOffset Since, string? Cluster);

    /// <summary>Makes a folder, if there is none, and holds it until the lock is disposed.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cluster">The name of a cluster, whose nodes hold the folder together; null for a process that trains alone.</param>
    /// <param name="time">The clock by which others are waited for.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="RunFolderHeldException">Others hold the folder.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written.</exception>
    public static async Task<RunLock> HoldAsync(RunFolder folder, string? cluster, TimeProvider time, CancellationToken stop)
    {
        (string file, string holder) = folder.Holding;
        Directory.CreateDirectory(folder.Path);
        await File.WriteAllBytesAsync(folder.Probe, [], stop);
        File.Delete(folder.Probe);
        for (long began = time.GetTimestamp(); ; await Task.Delay(_lookEvery, time, stop))
        {
            if (cluster is not null && Open(file, FileMode.Open, FileAccess.Read, FileShare.Read) is { } shared)
            {
                if (Read(holder)?.Cluster == cluster) return new RunLock(shared);
                await shared.DisposeAsync();
            }
            if (Open(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None) is { } alone)
            {
                var own = new Holder(Environment.MachineName, Environment.ProcessId, time.GetLocalNow(), cluster);
                WholeFile.Write(holder, stream => JsonSerializer.Serialize(stream, own));
                if (cluster is null) return new RunLock(alone);
                await alone.DisposeAsync();                          // the other nodes may come now, and this one with them
            }
            else if (time.GetElapsedTime(began) > _patience) throw Held(folder, Read(holder));
        }
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
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return null;                                             // the holder has not written it yet
        }
    }

    private static RunFolderHeldException Held(RunFolder folder, Holder? holder)
    {
        string who = holder is null ? "another process"
            : $"process {holder.Process} on {holder.Host}, which began at {holder.Since:yyyy-MM-dd HH:mm:ss}"
            + (holder.Cluster is { } cluster ? $", and the others of the cluster of {cluster}" : "");
        return new($"{folder}: is written by {who}; wait for the end of that run or stop it, or name another folder with --out");
    }
}
