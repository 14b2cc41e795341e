namespace Alpro.Data.Places;

/// <summary>What is known of a file before it is read.</summary>
/// <param name="Length">Its bytes.</param>
/// <param name="Version">Tells its content from what another time lies at the same address.</param>
public readonly record struct PlaceFacts(long Length, string Version);

/// <summary>A stretch of a file.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="Length">Its number of bytes.</param>
public readonly record struct ByteRange(long Start, long Length)
{
    /// <summary>The byte after its last.</summary>
    public long End => Start + Length;
}

/// <summary>
/// A file, or a folder of them, wherever it lies: a path, <c>http(s)://…</c>, or <c>s3://bucket/key</c>. An instance belongs to one thread
/// at a time. Whatever goes wrong for good is a <see cref="PlaceException"/>; what may pass has then been tried again until the deadline.
/// </summary>
/// <param name="name">The address, for messages.</param>
public abstract class Place(string name) : IDisposable
{
    private const int DownloadStep = 8 << 20;

    /// <summary>The address without what is secret in it: queries and passwords of URLs are cut.</summary>
    public string Name { get; } = name;

    /// <summary>Whether the text is an address of a store, and not a path.</summary>
    public static bool IsRemote(string text) => text.Contains("://", StringComparison.Ordinal);

    /// <summary>The place at an address; nothing is asked of it yet.</summary>
    /// <param name="text">A path, <c>http(s)://…</c>, or <c>s3://bucket/key</c>.</param>
    /// <param name="settings">How stores are asked, and the cache of what they answered; null for no cache.</param>
    /// <exception cref="DataException">It is an address of another kind.</exception>
    public static Place Open(string text, PlaceSettings? settings = null)
    {
        if (!IsRemote(text)) return new LocalPlace(text);
        if (IsBucket(text)) return new S3Place(text, settings);
        if (text.StartsWith("http://", StringComparison.Ordinal) || text.StartsWith("https://", StringComparison.Ordinal))
            return new HttpPlace(text, settings);
        throw new DataException($"{NameOf(text)}: expected a path, http://, https:// or s3://");
    }

    /// <summary>Whether <see cref="List"/> can be asked of an address.</summary>
    public static bool CanList(string text) => !text.StartsWith("http", StringComparison.Ordinal) || !IsRemote(text);

    /// <summary>An address as it stands, or the full path of a path that is relative to a folder.</summary>
    public static string Resolve(string text, string folder) => IsRemote(text) ? text : Path.GetFullPath(text, folder);

    /// <summary>The address of the folder in which a file lies; the query of a URL stays at its end.</summary>
    public static string FolderOf(string text)
    {
        if (!IsRemote(text)) return Path.GetDirectoryName(text)!;
        int query = QueryOf(text), end = text.LastIndexOf('/', query - 1);
        return end < text.IndexOf("://", StringComparison.Ordinal) + 3 ? text : text[..end] + text[query..];
    }

    /// <summary>The address of a file below a folder's, where it is none of its own; the query of a URL stays at its end.</summary>
    public static string Combine(string folder, string relative)
    {
        if (IsRemote(relative)) return relative;
        if (!IsRemote(folder)) return Path.Combine(folder, relative);
        int query = QueryOf(folder);
        string below = IsBucket(folder) ? relative : string.Join('/', relative.Split('/').Select(Uri.EscapeDataString));
        return $"{folder[..query].TrimEnd('/')}/{below}{folder[query..]}";
    }

    /// <summary>An address without its secrets, for messages.</summary>
    public static string NameOf(string text)
    {
        if (!IsRemote(text)) return text;
        text = text[..QueryOf(text)];
        int scheme = text.IndexOf("://", StringComparison.Ordinal) + 3;
        int host = text.IndexOf('/', scheme), user = host < 0 ? text.LastIndexOf('@') : text.LastIndexOf('@', host);
        return user < scheme ? text : text[..scheme] + text[(user + 1)..];
    }

    /// <summary>Whether the text is an address in a bucket, where files can be put.</summary>
    public static bool IsBucket(string text) => text.StartsWith("s3://", StringComparison.Ordinal);

    /// <summary>Where the query of a URL begins; the end where there is none, for a key in a bucket may have any letters.</summary>
    private static int QueryOf(string text) => IsBucket(text) || text.IndexOfAny(['?', '#']) is not (>= 0 and var at) ? text.Length : at;

    /// <summary>Length and version of the file as it is now: a store is asked, and not the cache.</summary>
    public abstract PlaceFacts Facts { get; }

    /// <summary>Bytes of the file; what the cache remembers of it will do.</summary>
    public abstract long Length { get; }

    /// <summary>Says that nothing beyond this stretch will be read, and so need be read ahead.</summary>
    public virtual void StayWithin(ByteRange stretch) { }

    /// <summary>
    /// Says that the file will be read from its front to its end in jumps, as a tar file is from member to member. What lies in a short
    /// jump is read too, for a request costs more.
    /// </summary>
    public virtual void ReadThrough() { }

    /// <summary>Reads a stretch of the file, all of it.</summary>
    public abstract void Read(long position, Span<byte> bytes);

    /// <summary>Says which stretches will be read next, ascending; a store is then asked for all of them at once.</summary>
    /// <param name="ranges">The stretches. Those that a gap of a few kilobytes parts are one request.</param>
    public virtual void Fetch(IReadOnlyList<ByteRange> ranges) { }

    /// <summary>
    /// The files below this folder and its folders, by their names relative to it with <c>/</c>, in the order of their bytes.
    /// </summary>
    /// <exception cref="PlaceException">A web server cannot list.</exception>
    public abstract IEnumerable<(string Name, PlaceFacts Facts)> List();

    /// <summary>Copies the file, or a stretch of it, to a path; it appears there complete.</summary>
    public void Download(string path, ByteRange? stretch = null)
    {
        ByteRange range = stretch ?? new(0, Length);
        string aside = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream file = new(aside, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                byte[] bytes = new byte[Math.Min(range.Length, DownloadStep)];
                for (long position = range.Start; position < range.End; position += bytes.Length)
                {
                    Span<byte> step = bytes.AsSpan(0, (int)Math.Min(bytes.Length, range.End - position));
                    Read(position, step);
                    file.Write(step);
                }
            }
            File.Move(aside, path, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }

    /// <summary>The whole file in memory.</summary>
    public byte[] ReadAll()
    {
        byte[] bytes = new byte[Length];
        Read(0, bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what it holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}
