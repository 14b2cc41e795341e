using System.IO.Hashing;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Alpro.Training.Checkpoints;

/// <summary>
/// The checkpoints of a run, a folder each. One is written aside, flushed to the disk and renamed, so a name that is there is a whole
/// checkpoint. Its hashes say whether it still is. The last few are kept, and the best.
/// </summary>
/// <param name="folder">Where they lie.</param>
/// <param name="keep">How many of the last are kept.</param>
/// <param name="log">Told of checkpoints that are damaged; null for nobody.</param>
public sealed class CheckpointStore(string folder, int keep = int.MaxValue, ILogger? log = null)
{
    private const string Aside = ".partial", Prefix = "step_";

    /// <summary>Where the checkpoints lie.</summary>
    public string Folder { get; } = folder;

    /// <summary>Called before everything that changes the disk, with what it is: tests fail there.</summary>
    internal Action<string> Touching { get; init; } = static _ => { };

    /// <summary>
    /// Writes a checkpoint, then removes those that need not be kept. One that is there, of the same step, is given the state that the run
    /// has now.
    /// </summary>
    /// <exception cref="IOException">The disk is full, for one; what was there is as it was.</exception>
    public Checkpoint Save(Snapshot snapshot)
    {
        string final = FolderOf(snapshot.State.Step), aside = final + Aside;
        if (Directory.Exists(final) && Damage(final) is null) Settle(snapshot, final);
        else
        {
            if (Directory.Exists(final)) Remove(final);
            RemoveAside();
            try
            {
                Write(snapshot, aside);
                Touching($"rename {aside}");
                FolderEntries.Flush(aside);
                Directory.Move(aside, final);
                FolderEntries.Flush(Folder);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                RemoveAside();
                throw;
            }
        }
        foreach (long step in Steps().SkipLast(keep).Where(step => step != snapshot.State.BestStep)) Remove(FolderOf(step));
        return new(final, snapshot.State, snapshot.Config);
    }

    /// <summary>The last checkpoint that is whole; null when there is none at all. Damaged ones are passed over, with a warning.</summary>
    /// <exception cref="CheckpointException">There are some, and all are damaged.</exception>
    public Checkpoint? Latest()
    {
        var damages = new List<string>();
        IReadOnlyList<long> steps = Steps();
        foreach (long step in steps.Reverse())
        {
            string path = FolderOf(step);
            if (Damage(path) is not { } damage) return Read(path);
            damages.Add(damage);
            if (damages.Count < steps.Count) log?.CheckpointDamaged(damage);
            else log?.FirstCheckpointDamaged(damage);
        }
        return damages.Count == 0 ? null : throw new CheckpointException(Folder,
            $"all {damages.Count} checkpoints are damaged: {string.Join("; ", damages)}");
    }

    /// <summary>The checkpoint of the best validation, or the last one where nothing was validated; null when there is none.</summary>
    /// <exception cref="CheckpointException">It is damaged.</exception>
    public Checkpoint? Best()
    {
        if (Latest() is not { } latest) return null;
        if (latest.State.BestStep is not { } best || best == latest.State.Step) return latest;
        string path = FolderOf(best);
        return Damage(path) is { } damage ? throw new CheckpointException(path, damage) : Read(path);
    }

    /// <summary>Writes a checkpoint's weights for others to read: <c>.pt</c> as PyTorch writes them, <c>.safetensors</c> as such.</summary>
    /// <exception cref="IOException">The file cannot be written; one that was there is as it was.</exception>
    public static void Export(Checkpoint checkpoint, string file) => CheckpointConverter.Convert(checkpoint.Weights, file);

    /// <summary>The steps of which there are checkpoints, in order.</summary>
    public IReadOnlyList<long> Steps() => !Directory.Exists(Folder) ? [] :
        [.. Directory.EnumerateDirectories(Folder, Prefix + "*").Select(path => StepOf(Path.GetFileName(path))).OfType<long>().Order()];

    /// <summary>The step of the checkpoint of a name; null where it is none.</summary>
    public static long? StepOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && long.TryParse(name.AsSpan(Prefix.Length), out long step) ? step : null;

    /// <summary>What tells the checkpoint of a step from what it was before, and any other: empty where there is none.</summary>
    public string MarkOf(long step)
    {
        string file = Path.Combine(FolderOf(step), Checkpoint.ChecksumsName);
        return File.Exists(file) ? File.ReadAllText(file) : "";
    }

    /// <summary>The folder of the checkpoint after a number of steps.</summary>
    public string FolderOf(long step) => Path.Combine(Folder, $"{Prefix}{step:D8}");

    /// <summary>Reads a checkpoint's state without looking at its tensors.</summary>
    private static Checkpoint Read(string path)
    {
        string name = NameIn(File.ReadLines(Path.Combine(path, Checkpoint.ChecksumsName)).Last());
        JsonNode file = JsonNode.Parse(File.ReadAllBytes(Path.Combine(path, name)))!;
        GiveWeights(file["config"]!);
        StateFile state = file.Deserialize<StateFile>(ConfigLoader.Json)!;
        return new(path, state.State, state.Config);
    }

    /// <summary>In older checkpoints losses have no weights: two are true or false, and the others follow from the clips.</summary>
    private static void GiveWeights(JsonNode config)
    {
        if (config["losses"]?["vtc"]?.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False)) return;
        JsonNode losses = config["losses"]!, clip = config["data"]!["clip"]!;
        config["losses"] = (string?)config["task"] != "pretrain" ? new JsonObject() : new JsonObject
        {
            ["vtc"] = Weight((bool)losses["vtc"]!),
            ["vtm"] = Weight((bool)losses["vtm"]!),
            ["mlm"] = Weight((double)clip["maskProbability"]! > 0),
            ["pem"] = Weight((double)clip["regionPatch"]! > 0),
        };

        static double Weight(bool on) => on ? 1 : 0;
    }

    private void Write(Snapshot snapshot, string path)
    {
        using var scope = NewDisposeScope();
        Touching($"create {path}");
        Directory.CreateDirectory(path);
        string[] checksums =
        [
            WriteFile(path, Checkpoint.WeightsName, stream => Safetensors.Write(stream, path, snapshot.Weights())),
            WriteFile(path, Checkpoint.MomentsName, stream => Safetensors.Write(stream, path, snapshot.Moments())),
            WriteState(path, Checkpoint.StateName, snapshot),
        ];
        WriteChecksums(path, Checkpoint.ChecksumsName, checksums);
    }

    /// <summary>
    /// Gives a whole checkpoint another state: written beside the old one, and in force when the list of checksums that names it is.
    /// </summary>
    private void Settle(Snapshot snapshot, string path)
    {
        string list = Path.Combine(path, Checkpoint.ChecksumsName);
        string[] checksums = File.ReadAllLines(list);
        string before = NameIn(checksums[^1]), now = before == Checkpoint.StateName ? Checkpoint.LaterStateName : Checkpoint.StateName;
        Delete(now);                                                 // and the next: of a writer that was killed here
        Delete(Checkpoint.ChecksumsName + Aside);
        checksums[^1] = WriteState(path, now, snapshot);
        WriteChecksums(path, Checkpoint.ChecksumsName + Aside, checksums);
        Touching($"rename {list + Aside}");
        File.Move(list + Aside, list, overwrite: true);
        FolderEntries.Flush(path);
        Delete(before);

        void Delete(string name)
        {
            Touching($"delete {Path.Combine(path, name)}");
            File.Delete(Path.Combine(path, name));
        }
    }

    private string WriteState(string path, string name, Snapshot snapshot) =>
        WriteFile(path, name, stream => JsonSerializer.Serialize(stream, new StateFile(snapshot.State, snapshot.Config),
        ConfigLoader.Json));

    private void WriteChecksums(string path, string name, string[] checksums) =>
        WriteFile(path, name, stream => stream.Write([.. checksums.SelectMany(line => System.Text.Encoding.UTF8.GetBytes(line + "\n"))]));

    /// <summary>The file that a line of the checksums is of.</summary>
    private static string NameIn(string line) => line[(line.IndexOf(' ') + 2)..];

    /// <summary>Writes a file to the disk; its line of the checksums.</summary>
    private string WriteFile(string path, string name, Action<Stream> write)
    {
        string file = Path.Combine(path, name);
        Touching($"create {file}");
        using var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        var hashed = new HashedStream(stream, () => Touching($"write {file}"));
        var buffered = new BufferedStream(hashed, 1 << 16);          // not disposed: after a failure nothing more is to be written
        write(buffered);
        buffered.Flush();
        Touching($"flush {file}");
        stream.Flush(flushToDisk: true);
        return $"{hashed.Hash}  {name}";
    }

    /// <summary>What is wrong with a checkpoint; null when its files are as they were written.</summary>
    private static string? Damage(string path)
    {
        try
        {
            string[] lines = File.ReadAllLines(Path.Combine(path, Checkpoint.ChecksumsName));
            if (lines.Select(NameIn).ToArray() is not [Checkpoint.WeightsName, Checkpoint.MomentsName,
                Checkpoint.StateName or Checkpoint.LaterStateName])
                return $"{path}: its list of checksums is not whole";
            foreach (string line in lines)
            {
                string[] parts = line.Split("  ", 2);
                using FileStream stream = File.OpenRead(Path.Combine(path, parts[1]));
                var hash = new XxHash128();
                hash.Append(stream);
                if (Convert.ToHexStringLower(hash.GetCurrentHash()) != parts[0])
                    return $"{stream.Name}: its content is not what was written";
            }
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"{path}: {exception.Message}";
        }
    }

    /// <summary>Takes a checkpoint's name away first: what is half removed is not taken for a damaged one.</summary>
    private void Remove(string path)
    {
        Touching($"rename {path}");
        Directory.Move(path, path + Aside);
        RemoveAside();
    }

    private void RemoveAside()
    {
        if (!Directory.Exists(Folder)) return;
        foreach (string path in Directory.EnumerateDirectories(Folder, Prefix + "*" + Aside))
        {
            Touching($"delete {path}");
            Directory.Delete(path, recursive: true);
        }
    }

    private sealed record StateFile(TrainState State, RunConfig Config);

    /// <summary>Passes bytes on and hashes them on the way.</summary>
    private sealed class HashedStream(Stream to, Action writing) : Stream
    {
        private readonly XxHash128 _hash = new();

        public string Hash => Convert.ToHexStringLower(_hash.GetCurrentHash());

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => to.Length;

        public override long Position { get => to.Position; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            writing();
            to.Write(buffer);
            _hash.Append(buffer);
        }

        public override void Flush() => to.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
