using Alpro.Data.Corpora;

namespace Alpro.Data.Packs;

/// <summary>
/// The folder of a pack that is being made: its finished shards, and what is in each. One process at a time holds it. What an earlier one
/// did not finish is removed.
/// </summary>
internal sealed class PackFolder : IDisposable
{
    /// <summary>Name of the folder in the pack that is there while it is made.</summary>
    public const string Parts = "parts";

    private readonly string _folder, _parts, _fingerprint;
    private readonly FileStream _held;
    private readonly List<RowIndex> _finished = [];
    private readonly List<int> _firsts = [];

    /// <summary>Opens a folder, which need not be there.</summary>
    /// <param name="folder">Its path.</param>
    /// <param name="fingerprint">What the pack is made of.</param>
    /// <exception cref="DataException">It holds another pack, or another process packs into it.</exception>
    public PackFolder(string folder, string fingerprint)
    {
        (_folder, _parts, _fingerprint) = (folder, Path.Combine(folder, Parts), fingerprint);
        Directory.CreateDirectory(_parts);
        try
        {
            _held = new FileStream(Path.Combine(_parts, "held"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new DataException($"{folder} cannot be packed into, or another process does so: {exception.Message}", exception);
        }
        foreach (string left in (string[])[.. Directory.EnumerateFiles(_parts, "*.tmp"), .. Directory.EnumerateFiles(folder, "*.tmp")])
            File.Delete(left);
        while (File.Exists(PartOf(_finished.Count))) OpenPart();
        if (_finished.Count == 0 && File.Exists(Index)) throw OtherPack();
    }

    /// <summary>Path of the index of the whole.</summary>
    public string Index => Path.Combine(_folder, CorpusPacker.IndexName);

    /// <summary>Clips in the finished shards.</summary>
    public int Count { get; private set; }

    /// <summary>Finished shards.</summary>
    public int Shards => _finished.Count;

    /// <summary>What a finished shard's part of the index says of a clip.</summary>
    public IndexedRow this[int member]
    {
        get
        {
            int shard = _firsts.BinarySearch(member);
            if (shard < 0) shard = ~shard - 1;
            return _finished[shard][member - _firsts[shard]];
        }
    }

    /// <summary>A new path for a file that does not stay. No later process has it: commands of a killed one may still write.</summary>
    public string Scratch() => Path.Combine(_parts, $"{Guid.NewGuid():N}.tmp");

    /// <summary>Begins the next shard.</summary>
    public ShardWriter BeginShard() => new(Path.Combine(_folder, $"{_finished.Count:D5}.tar"), PartOf(_finished.Count));

    /// <summary>Completes a shard.</summary>
    public void Finish(ShardWriter shard)
    {
        shard.Finish(_fingerprint);
        OpenPart();
    }

    /// <summary>Removes what only the making needs.</summary>
    public void Clear()
    {
        Dispose();
        Directory.Delete(_parts, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _finished.ForEach(part => part.Dispose());
        _held.Dispose();
    }

    private string PartOf(int shard) => Path.Combine(_parts, $"{shard:D5}");

    private void OpenPart()
    {
        RowIndex part = RowIndex.TryOpen(PartOf(_finished.Count), _fingerprint) ?? throw OtherPack();
        _finished.Add(part);
        _firsts.Add(Count);
        Count += (int)part.Count;
    }

    private DataException OtherPack()
    {
        Dispose();
        return new($"{_folder} holds another pack, or one of other settings; choose another folder, or remove it");
    }
}
