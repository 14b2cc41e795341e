using System.IO.Hashing;
using System.Text;
using Alpro.Data.Corpora;
using Alpro.Data.Places;

namespace Alpro.Data.Packs;

/// <summary>
/// The folder of a pack that is being made: its finished shards, and what is in each. One process at a time holds it. What an earlier one
/// did not finish is removed. Of a pack that is made in a store, this folder holds one shard at a time, and the store alone says what is
/// finished.
/// </summary>
internal sealed class PackFolder : IDisposable
{
    private const string Parts = "parts";

    private readonly string _parts, _fingerprint;
    private readonly PackStore? _store;
    private readonly CancellationToken _cancellation;
    private readonly FileStream _held;
    private readonly List<RowIndex> _finished = [];
    private readonly List<int> _firsts = [];

    /// <summary>Opens a folder, which need not be there.</summary>
    /// <param name="place">The folder of the pack, or <c>s3://bucket/prefix</c>.</param>
    /// <param name="fingerprint">What the pack is made of.</param>
    /// <param name="cancellation">Stops what goes to a store.</param>
    /// <exception cref="DataException">It holds another pack, or another process packs into it.</exception>
    public PackFolder(string place, string fingerprint, CancellationToken cancellation)
    {
        (Place, _fingerprint, _cancellation) = (place, fingerprint, cancellation);
        _store = Places.Place.IsRemote(place) ? new(place) : null;
        Folder = _store is null ? place : FolderFor(place);
        _parts = Path.Combine(Folder, Parts);
        Directory.CreateDirectory(_parts);
        try
        {
            _held = new FileStream(Path.Combine(_parts, "held"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new DataException($"{place} cannot be packed into, or another process does so: {exception.Message}", exception);
        }
        foreach (string left in (string[])[.. Directory.EnumerateFiles(_parts, "*.tmp"), .. Directory.EnumerateFiles(Folder, "*.tmp")])
            File.Delete(left);
        try
        {
            if (_store?.Begin(fingerprint, Scratch(), cancellation) == false) throw OtherPack();
            while (TryTake()) { }
            if (_store is null && _finished.Count == 0 && File.Exists(Index)) throw OtherPack();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where the pack will be: a path, or an address.</summary>
    public string Place { get; }

    /// <summary>The folder in which it is made.</summary>
    public string Folder { get; }

    /// <summary>Path of the index of the whole.</summary>
    public string Index => Path.Combine(Folder, CorpusPacker.IndexName);

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
    public ShardWriter BeginShard() => new(Path.Combine(Folder, NameOf(_finished.Count)), PartOf(_finished.Count));

    /// <summary>Completes a shard; one that goes to a store then lies there, and no longer here.</summary>
    public void Finish(ShardWriter shard)
    {
        (int number, PlaceFacts? stored) = (_finished.Count, null);
        bool isEmpty = shard.FinishFile();
        if (_store is not null && !isEmpty) stored = _store.Put(NameOf(number), Path.Combine(Folder, NameOf(number)), _cancellation);
        shard.FinishPart(_fingerprint, stored);
        _store?.Put(PartNameOf(number), PartOf(number), _cancellation);
        if (_store is not null && !isEmpty) File.Delete(Path.Combine(Folder, NameOf(number)));
        Take();
    }

    /// <summary>
    /// Completes the pack, whose index, list and report are in the folder: removes what only the making needs. A store gets them first, the
    /// index last of all.
    /// </summary>
    public void Finish()
    {
        if (_store is not null)
        {
            foreach (string name in (string[])[PackReport.ListName, PackReport.Name, CorpusPacker.IndexName])
                _store.Put(name, Path.Combine(Folder, name), _cancellation);
            _store.RemoveParts(_cancellation);
        }
        Dispose();
        Directory.Delete(_store is null ? _parts : Folder, recursive: true);
    }

    /// <summary>Removes what only the making of a finished pack needed, where whoever made it was stopped at that.</summary>
    public static void Clear(string place, CancellationToken cancellation)
    {
        string left = Places.Place.IsRemote(place) ? FolderFor(place) : Path.Combine(place, Parts);
        if (Places.Place.IsRemote(place)) new PackStore(place).RemoveParts(cancellation);
        if (Directory.Exists(left)) Directory.Delete(left, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _finished.ForEach(part => part.Dispose());
        _held.Dispose();
    }

    private static string FolderFor(string address) =>
        Path.Combine(PlaceSettings.UserFolder, "packing", $"{XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(address)):x16}");

    private static string NameOf(int shard) => $"{shard:D5}.tar";

    private static string PartNameOf(int shard) => $"{Parts}/{shard:D5}";

    private string PartOf(int shard) => Path.Combine(_parts, $"{shard:D5}");

    /// <summary>Takes over the next shard of an earlier process, if that finished it and it is as it was.</summary>
    private bool TryTake()
    {
        int shard = _finished.Count;
        if (_store is not null && !_store.TryFetch(PartNameOf(shard), PartOf(shard))) return false;
        if (!File.Exists(PartOf(shard))) return false;
        Take();
        if (_store is null || _finished[^1].Summary.Shard is not { } facts || _store.FactsOf(NameOf(shard)) == facts) return true;
        Count = _firsts[^1];
        _finished[^1].Dispose();
        _finished.RemoveAt(shard);
        _firsts.RemoveAt(shard);
        return false;
    }

    private void Take()
    {
        RowIndex part = RowIndex.TryOpen(PartOf(_finished.Count), _fingerprint) ?? throw OtherPack();
        _finished.Add(part);
        _firsts.Add(Count);
        Count += (int)part.Count;
    }

    private DataException OtherPack() =>
        new($"{Place} holds another pack, or one of other settings; choose another place, or remove it");
}
