using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Alpro.Data;
using Alpro.Data.Media;
using Alpro.Training.Configuration;

namespace Alpro.Training.Search;

/// <summary>
/// Windows of videos and their features, on disk: made by <see cref="SearchIndexWriter"/>, read here. All is mapped into memory, so opening
/// takes no longer for a million windows than for one. Safe to read from several threads; disposing it takes the memory away from all.
/// </summary>
/// <remarks>
/// <c>index.json</c> says what it is (<see cref="SearchManifest"/>), and which folder beside it holds the data: <c>features.f16</c> [N, F],
/// <c>windows.bin</c>, <c>files.bin</c>, <c>texts.bin</c>, <c>thumbnails.jpg.bin</c>, and <c>tokens.f16</c> [N, M, D] where they were asked
/// for. <c>config.json</c> and <c>vocab.txt</c> are what a text is encoded with.
/// </remarks>
public sealed unsafe class SearchIndex : IDisposable
{
    private readonly MappedFile _features, _windows, _files, _texts, _thumbnails;
    private readonly MappedFile? _tokens;

    private SearchIndex(string folder, SearchManifest manifest)
    {
        (Folder, Manifest) = (folder, manifest);
        string data = IndexFiles.FolderOf(folder, manifest.Generation);
        var opened = new List<MappedFile>();
        try
        {
            _features = Map(IndexFiles.Features, (long)manifest.Count * manifest.Width * sizeof(Half));
            _windows = Map(IndexFiles.Windows, (long)manifest.Count * sizeof(WindowRecord));
            _files = Map(IndexFiles.Files, (long)manifest.Files * sizeof(FileRecord));
            _texts = Map(IndexFiles.Texts);
            _thumbnails = Map(IndexFiles.Thumbnails);
            if (manifest.Tokens is [int tokens, int width])
                _tokens = Map(IndexFiles.Tokens, (long)manifest.Count * tokens * width * sizeof(Half));
        }
        catch
        {
            opened.ForEach(file => file.Dispose());
            throw;
        }

        MappedFile Map(string name, long? length = null)
        {
            var file = new MappedFile(Path.Combine(data, name), length);
            opened.Add(file);
            return file;
        }
    }

    /// <summary>Opens an index.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="DataException">There is none, it is not finished or damaged, or of another version.</exception>
    public static SearchIndex Open(string folder)
    {
        string full = Path.GetFullPath(folder);
        SearchManifest manifest = ReadManifest(full) ?? throw new DataException(
            $"{folder}: there is no index; expected its {IndexFiles.Manifest}. Make one with 'alpro index', or repeat the command that was "
            + "interrupted");
        try
        {
            return new(full, manifest);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{folder}: the index is damaged: {error.Message}; remove it, and index again", error);
        }
    }

    /// <summary>Its folder.</summary>
    public string Folder { get; }

    /// <summary>What it is.</summary>
    public SearchManifest Manifest { get; }

    /// <summary>Windows, N.</summary>
    public int Count => Manifest.Count;

    /// <summary>Files.</summary>
    public int FileCount => Manifest.Files;

    /// <summary>Whether it has the tokens that matching needs; without, windows are decoded and encoded again.</summary>
    public bool HasTokens => _tokens is not null;

    /// <summary>Bytes of all its data.</summary>
    public long Bytes => _features.Length + _windows.Length + _files.Length + _texts.Length + _thumbnails.Length + (_tokens?.Length ?? 0);

    /// <summary>A window.</summary>
    public Window this[int number]
    {
        get
        {
            WindowRecord window = Record(number);
            return new(number, window.File, window.FirstFrame, window.FrameCount, window.Start, window.End);
        }
    }

    /// <summary>The number of the file that a window is of.</summary>
    public int FileOf(int window) => Record(window).File;

    /// <summary>A file.</summary>
    public IndexedFile File(int number)
    {
        FileRecord file = _files.Span<FileRecord>((long)number * sizeof(FileRecord), 1)[0];
        string name = TextAt(file.Text, file.NameLength), path = TextAt(file.Text + file.NameLength, file.PathLength);
        return new(number, name, new(path, file.Offset, file.Length))
        {
            Kind = (MediaKind)file.Kind,
            Size = file.Size,
            Changed = file.Changed,
            Info = new(file.FrameCount, file.FrameRate, file.Width, file.Height, file.Rotation),
            FirstWindow = file.FirstWindow,
            WindowCount = file.WindowCount,
            Problem = file.ProblemLength == 0 ? null : TextAt(file.Text + file.NameLength + file.PathLength, file.ProblemLength),
        };
    }

    /// <summary>The file of a name; null where there is none.</summary>
    public IndexedFile? Find(string name)
    {
        int first = 0, end = FileCount;
        while (first < end)
        {
            int middle = first + (end - first) / 2;
            IndexedFile file = File(middle);
            int order = string.CompareOrdinal(file.Name, name);
            if (order == 0) return file;
            if (order < 0) first = middle + 1;
            else end = middle;
        }
        return null;
    }

    /// <summary>All files, in the order of their names.</summary>
    public IEnumerable<IndexedFile> AllFiles() => Enumerable.Range(0, FileCount).Select(File);

    /// <summary>The feature of a window [F], normalised.</summary>
    public ReadOnlySpan<Half> Feature(int window) => _features.Span<Half>((long)window * Manifest.Width * sizeof(Half), Manifest.Width);

    /// <summary>The tokens of a window [M, D].</summary>
    /// <exception cref="InvalidOperationException">The index has none.</exception>
    public ReadOnlySpan<Half> Tokens(int window)
    {
        if (_tokens is null || Manifest.Tokens is not [int tokens, int width]) throw new InvalidOperationException("It has no tokens.");
        return _tokens.Span<Half>((long)window * tokens * width * sizeof(Half), tokens * width);
    }

    /// <summary>The picture of a window, a JPEG.</summary>
    public byte[] Thumbnail(int window)
    {
        WindowRecord record = Record(window);
        return _thumbnails.Span<byte>(record.Thumbnail, record.ThumbnailLength).ToArray();
    }

    /// <summary>The first feature; the others follow.</summary>
    internal Half* Features => (Half*)_features.Bytes;

    /// <summary>The configuration with which it was made, and with which texts are encoded.</summary>
    /// <exception cref="ConfigException">It is damaged.</exception>
    public RunConfig LoadConfig() => ConfigLoader.LoadForEvaluation(Path.Combine(Folder, IndexFiles.Config));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (MappedFile? file in new[] { _features, _windows, _files, _texts, _thumbnails, _tokens }) file?.Dispose();
    }

    /// <summary>What an index is; null where there is no finished one.</summary>
    /// <exception cref="DataException">It is damaged, or of another version.</exception>
    internal static SearchManifest? ReadManifest(string folder)
    {
        string file = Path.Combine(folder, IndexFiles.Manifest);
        if (!System.IO.File.Exists(file)) return null;
        try
        {
            SearchManifest manifest = JsonSerializer.Deserialize<SearchManifest>(System.IO.File.ReadAllBytes(file), ConfigLoader.Json)!;
            return manifest.Format == SearchManifest.CurrentFormat ? manifest : throw new DataException(
                $"{file}: is of format {manifest.Format}, and this program reads format {SearchManifest.CurrentFormat}; index again");
        }
        catch (JsonException error)
        {
            throw new DataException($"{file}: is not what an index says of itself: {error.Message}; remove the folder, and index again",
                error);
        }
    }

    internal WindowRecord Record(int window)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(window, Count);
        return Unsafe.ReadUnaligned<WindowRecord>(_windows.Bytes + (long)window * sizeof(WindowRecord));
    }

    private string TextAt(long start, int length) => Encoding.UTF8.GetString(_texts.Span<byte>(start, length));
}
