using System.Formats.Tar;
using System.IO.Enumeration;
using System.Text.Json;
using Alpro.Data.Media;
using Alpro.Data.Places;
using static Alpro.Data.Corpora.Annotations.AnnotationFormat;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Reads WebDataset-style tar shards front to back. The members of one key make a row: <c>key.mp4</c> (or another video or image), and
/// <c>key.txt</c> with the caption. Or <c>key.json</c>, an object with <c>caption</c>, or with <c>question</c> and <c>answer</c>. Media
/// bytes are not read, only where they lie.
/// </summary>
internal sealed class TarShardReader(IReadOnlyList<string> shards) : AnnotationReader
{
    /// <summary>The name under which a row's key is found.</summary>
    public const string Key = "__key__";

    private static readonly string[] _videos = [".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v"];

    /// <summary>A caption, or a question with its answer, and the media of the kind that the first shard has.</summary>
    public override AnnotationColumns Columns => new(["caption"], [], Kind(), "", static (fields, _, _) =>
        fields["question"] is [var question, ..]
        ? new(One(fields, Key), [], [question], One(fields, "answer"), One(fields, "answer_type"), fields.Media)
        : new(One(fields, Key), [], fields["caption"], Media: fields.Media));

    /// <summary>The shards of a folder or glob, in the order of their names.</summary>
    /// <param name="pattern">Full path of the folder, of one shard, or of a pattern of names; an address of a folder ends with
    /// <c>/</c>.</param>
    /// <param name="error">Makes the error of a corpus out of a message.</param>
    public static string[] ShardsAt(string pattern, Func<string, DataException> error)
    {
        if (Place.IsRemote(pattern)) return StoredShards(pattern, error);
        string folder = Directory.Exists(pattern) ? pattern : Path.GetDirectoryName(pattern)!;
        string names = Directory.Exists(pattern) ? "*.tar" : Path.GetFileName(pattern);
        string[] shards = Directory.Exists(folder) ? [.. Directory.EnumerateFiles(folder, names).Order(StringComparer.Ordinal)] : [];
        if (shards.Length == 0) throw error($"there are no shards {Path.Combine(folder, names)}");
        if (shards.FirstOrDefault(shard => !shard.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)) is { } other)
            throw error($"{other} is not a plain tar file; compressed shards cannot be read in place, uncompress them");
        return shards;
    }

    private static string[] StoredShards(string address, Func<string, DataException> error)
    {
        string file = Place.NameOf(address);
        bool whole = file.EndsWith('/');
        if (!whole && !file.Contains('*')) return [address];
        string folder = whole ? address : Place.FolderOf(address), names = whole ? "*.tar" : file[(file.LastIndexOf('/') + 1)..];
        if (!Place.CanList(address)) throw error($"{file}: a web server does not list its files; name one shard, or use s3://");
        using var place = Place.Open(folder);
        string[] shards = [.. place.List().Where(shard => FileSystemName.MatchesSimpleExpression(names, shard.Name, ignoreCase: false)
            && !shard.Name.Contains('/')).Select(shard => Place.Combine(folder, shard.Name))];
        return shards.Length > 0 ? shards : throw error($"there are no shards {Place.Combine(Place.NameOf(folder), names)}");
    }

    public override IEnumerable<AnnotationFields> Rows() => shards.SelectMany(Rows);

    /// <summary>What the media members of the shards are, told by the first of them.</summary>
    private MediaKind Kind()
    {
        foreach (string shard in shards)
        {
            using var tar = new TarReader(PlaceStream.Open(shard));
            while (Next(tar) is { } entry)
            {
                if (_videos.Contains(Split(entry.Name).Extension)) return MediaKind.Video;
                if (MediaFiles.Images.Contains(Split(entry.Name).Extension)) return MediaKind.Image;
            }
        }
        throw new DataException($"{Place.NameOf(shards[0])} and the other shards hold neither videos ({string.Join(", ", _videos)}) "
            + $"nor images ({string.Join(", ", MediaFiles.Images)}).");
    }

    /// <summary>Where the media of the row with a name lie in a shard; null where it has no such row.</summary>
    public static MediaSource? Find(string shard, string name) =>
        Rows(shard).FirstOrDefault(row => row.Problem is null && row[Key] is [var key] && key == name)?.Media;

    private static IEnumerable<AnnotationFields> Rows(string shard)
    {
        using var tar = new TarReader(PlaceStream.Open(shard));
        var names = new HashSet<string>();
        Sample sample = new(shard, "");
        string? damage = null;
        while (NextFile() is { } entry)
        {
            (string key, string extension) = Split(entry.Name);
            if (key != sample.Key)
            {
                if (sample.Fields(names) is { } fields) yield return fields;
                sample = new Sample(shard, key);
            }
            sample.Add(extension, entry);
        }
        if (sample.Fields(names) is { } last) yield return last;
        if (damage is not null) yield return new MalformedFields($"{Place.NameOf(shard)} is damaged from here on: {damage}");

        TarEntry? NextFile()
        {
            try
            {
                TarEntry? entry;
                do entry = Next(tar); while (entry is { EntryType: not (TarEntryType.RegularFile or TarEntryType.V7RegularFile) });
                return entry;
            }
            catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException)
            {
                damage = exception.Message;
                return null;
            }
        }
    }

    /// <summary>The next member; what the library stumbles over in a damaged header is invalid data.</summary>
    private static TarEntry? Next(TarReader tar)
    {
        try
        {
            return tar.GetNextEntry();
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            throw new InvalidDataException(exception.Message, exception);
        }
    }

    /// <summary>A member's key and extension: WebDataset divides at the first dot of the file's name.</summary>
    private static (string Key, string Extension) Split(string name)
    {
        int dot = name.IndexOf('.', name.LastIndexOf('/') + 1);
        return dot < 0 ? (name, "") : (name[..dot], name[dot..].ToLowerInvariant());
    }

    public override void Dispose() { }

    private sealed class Sample(string shard, string key)
    {
        private readonly Dictionary<string, JsonElement> _values = [];
        private MediaSource? _media;
        private string? _problem;

        public string Key => key;

        public void Add(string extension, TarEntry entry)
        {
            if (_videos.Contains(extension) || MediaFiles.Images.Contains(extension))
            {
                if (entry.Length == 0) _problem = $"{entry.Name} has no bytes";
                _media = new MediaSource(shard, entry.DataOffset, entry.Length);
            }
            else if (extension is ".txt" or ".json" && entry.Length <= ByteWindow.MaxRow) AddText(extension, entry);
        }

        private void AddText(string extension, TarEntry entry)
        {
            byte[] bytes = new byte[entry.Length];
            entry.DataStream?.ReadExactly(bytes);
            if (extension == ".txt")
            {
                _values["caption"] = JsonSerializer.SerializeToElement(Text(bytes).Trim());
                return;
            }
            try
            {
                var values = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(Text(bytes));
                foreach ((string name, JsonElement value) in values ?? []) _values.TryAdd(name, value);
            }
            catch (JsonException exception)
            {
                _problem = $"{entry.Name} is not a JSON object: {exception.Message}";
            }
        }

        /// <summary>The finished row; null where the key belongs to no media and no text.</summary>
        /// <param name="names">The names of the shard's rows before it, to which its own is added.</param>
        public AnnotationFields? Fields(HashSet<string> names)
        {
            if (_media is null && _values.Count == 0) return null;
            if (_problem is not null) return new MalformedFields(_problem);
            if (_media is null) return new MalformedFields($"{key} has no video or image in {Place.NameOf(shard)}");
            // Shards may number their members alike, and a key may come again in one: it is another video then.
            string first = $"{Path.GetFileNameWithoutExtension(Place.NameOf(shard))}/{key}", name = first;
            for (int time = 2; !names.Add(name); time++) name = $"{first}#{time}";
            _values[TarShardReader.Key] = JsonSerializer.SerializeToElement(name);
            return new JsonObjectReader.Row(_values, _media);
        }
    }
}
