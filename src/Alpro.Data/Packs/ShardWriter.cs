using System.Formats.Tar;
using System.Globalization;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Data.Packs;

/// <summary>
/// Writes one shard, a tar file of clips and their texts, and the part of the index that is about it. Both appear when they are complete,
/// the part last: a shard without its part is made again.
/// </summary>
internal sealed class ShardWriter : IDisposable
{
    private const int TarHeader = 512;

    private readonly string _path, _aside;
    private readonly FileStream _file;
    private readonly TarWriter _tar;
    private readonly RowIndex.Writer _part;
    private bool _isEmpty = true;

    /// <summary>Begins a shard.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="part">Path of its part of the index.</param>
    public ShardWriter(string path, string part)
    {
        (_path, _aside) = (path, $"{path}.tmp");
        _file = new FileStream(_aside, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        _tar = new TarWriter(_file, TarEntryFormat.Ustar, leaveOpen: true);
        _part = new RowIndex.Writer(part);
    }

    /// <summary>Bytes so far.</summary>
    public long Length => _file.Position;

    /// <summary>Adds a clip and what is said about it.</summary>
    public void Add(int member, MediaKind kind, EncodedClip clip, byte[] texts)
    {
        string key = member.ToString("D9", CultureInfo.InvariantCulture);
        long offset = _file.Position + TarHeader;
        AddFile(key + (kind == MediaKind.Image ? ".jpg" : ".mp4"), clip.Bytes);
        AddFile($"{key}.json", texts);
        _part.Add(new IndexedRow(key, [Path.GetFileName(_path)], offset, clip.Bytes.Length, [], "", "", clip.Clip));
        _isEmpty = false;
    }

    /// <summary>Notes a clip that cannot be read: its row has no media, and says why in place of its texts.</summary>
    public void AddUnreadable(int member, UnreadableClipException trouble) =>
        _part.Add(new IndexedRow(member.ToString("D9", CultureInfo.InvariantCulture), [], 0, 0, [trouble.Path, trouble.Finding],
            trouble.Reason.ToString(), ""));

    /// <summary>The clip that a row of the part notes as unreadable; null where it is packed.</summary>
    public static UnreadableClipException? TroubleOf(IndexedRow row) => row.MediaPaths.Count > 0 ? null
        : new(Enum.Parse<RejectReason>(row.Answer), row.Captions[0], row.Captions[1]);

    /// <summary>Completes the shard.</summary>
    /// <returns>Whether it has no clip, and so no file.</returns>
    public bool FinishFile()
    {
        _tar.Dispose();
        _file.Flush(flushToDisk: true);
        _file.Dispose();
        if (!_isEmpty) File.Move(_aside, _path, overwrite: true);
        return _isEmpty;
    }

    /// <summary>Completes the part of the index, when the shard lies where it stays.</summary>
    /// <param name="fingerprint">What the pack is made of.</param>
    /// <param name="stored">What a store says of the shard; null on disk.</param>
    public void FinishPart(string fingerprint, PlaceFacts? stored) =>
        _part.Finish(new(fingerprint, _part.Content, MediaKind.Video, new(0, 0, 0, 0), [], [], Shard: stored));

    /// <summary>Removes what was not finished.</summary>
    public void Dispose()
    {
        _tar.Dispose();
        _file.Dispose();
        _part.Dispose();
        File.Delete(_aside);
    }

    private void AddFile(string name, byte[] bytes)
    {
        using MemoryStream data = new(bytes, writable: false);
        _tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
        {
            ModificationTime = DateTimeOffset.UnixEpoch,
            DataStream = data,
        });
    }
}
