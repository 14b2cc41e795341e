using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora;

/// <summary>Opens one corpus: finds its format, and its index or makes it.</summary>
internal sealed class CorpusOpener
{
    private const int IndexVersion = 2;
    private const int ProblemsKept = 20;
    private const int HashedBytes = 1 << 20;

    private readonly CorpusConfig _config;
    private readonly string _annotations, _name, _mediaRoot;
    private readonly AnnotationContainer _container;
    private readonly AnnotationFormat? _format;
    private readonly AnnotationColumns? _columns;
    private readonly string[] _files;
    private readonly bool _remote;
    private readonly PlaceSettings? _places;

    private CorpusOpener(CorpusConfig config, string baseFolder, PlaceSettings? places)
    {
        (_config, _places, _remote) = (config, places, Place.IsRemote(config.Annotations));
        _annotations = Full(config.Annotations);
        _name = Place.NameOf(_annotations);
        var found = AnnotationContainer.Of(_annotations);
        _container = found == AnnotationContainer.Pack ? found : config.Format.Container ?? found;
        _format = config.Format.Container is null ? AnnotationFormat.OnlyOneOf(_container) : config.Format;
        _columns = config.Columns?.ToAnnotation() ?? _format?.Columns;
        if (_container.HoldsMedia && config.Columns is not null)
            throw Error("\"columns\" are for annotation files; in tar shards the names of the members tell what they are");
        _files = _container.HoldsMedia ? TarShardReader.ShardsAt(_annotations, Error) : [_annotations];
        if (!_container.HoldsMedia && !_remote && !File.Exists(_annotations)) throw Error($"there is no annotation file {_name}");
        if (!_remote && _files.FirstOrDefault(file => new FileInfo(file).Length == 0) is { } empty) throw Error($"{empty} is empty");
        _mediaRoot = config.Media is null ? Place.FolderOf(_annotations) : Full(config.Media);
        if (!_container.HoldsMedia && !Place.IsRemote(_mediaRoot) && !Directory.Exists(_mediaRoot))
            throw Error($"there is no media folder {_mediaRoot}; set \"media\" to the folder that holds the videos or images");

        string Full(string text) => Place.IsRemote(text) ? text
            : Path.TrimEndingDirectorySeparator(Path.GetFullPath(Path.Combine(baseFolder, text)));
    }

    /// <summary>Opens a corpus.</summary>
    public static VideoTextCorpus Open(CorpusConfig config, string baseFolder, PlaceSettings? places) =>
        Guarded(config, baseFolder, places, opener => opener.Open());

    /// <summary>Reads annotations up to the first row that can be used.</summary>
    public static void RequireReadable(CorpusConfig config, string baseFolder) =>
        Guarded(config, baseFolder, null, opener => opener.FirstUsableRow());

    private static T Guarded<T>(CorpusConfig config, string baseFolder, PlaceSettings? places, Func<CorpusOpener, T> open)
    {
        try
        {
            return open(new CorpusOpener(config, baseFolder, places));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new DataException($"corpus {config.Name}: {Place.NameOf(config.Annotations)} cannot be read, or its index not be "
                + $"written: {exception.Message}", exception);
        }
    }

    /// <summary>The number of the first row that can be used, from 1; where there is none, what is wrong with those there are.</summary>
    private long FirstUsableRow()
    {
        if (_container == AnnotationContainer.Pack)
        {
            using VideoTextCorpus packed = Open();
            return 1;
        }
        using AnnotationReader reader = _container.Open(_files, _config.Columns);
        AnnotationColumns? columns = Columns(reader);
        (long row, IReadOnlyCollection<string> names, List<string> problems) = (0, [], []);
        foreach (AnnotationFields fields in reader.Rows())
        {
            row++;
            if (fields.Problem is null && names.Count == 0) names = fields.Names;
            columns ??= AnnotationFormat.ColumnsAmong(names);
            string? problem = columns is null ? fields.Problem ?? "its kind is not known" : columns.ProblemOf(fields);
            if (problem is null) return row;
            if (problems.Count < ProblemsKept) problems.Add($"row {row}: {problem}");
        }
        throw row > 0 ? WrongColumns(columns, names, problems) : Error($"{_name} has no rows");
    }

    /// <summary>Opens the index beside the annotations or in the cache folder; makes it where neither fits.</summary>
    private IndexedCorpus Open()
    {
        if (_container == AnnotationContainer.Pack) return PackedCorpus.Open(_config, _annotations, _places, CacheFolder);
        string settings = Settings(), fingerprint = Fingerprint(settings), cached = IndexPath(CacheFolder, settings);
        string beside = _remote ? cached : IndexPath(Path.Combine(Path.GetDirectoryName(_annotations)!, ".alpro-index"), settings);
        RowIndex? index = Usable(beside, fingerprint) ?? Usable(cached, fingerprint);
        string? path = null;
        if (index is null)
        {
            path = TryBuild(beside, fingerprint) ? beside : cached;
            if (path == cached) Build(cached, fingerprint);
            index = RowIndex.TryOpen(path, fingerprint) ?? throw Error($"its index {path} cannot be read back");
        }
        return new IndexedCorpus(_config.Name, _mediaRoot, index, path, _places);
    }

    private RowIndex? Usable(string path, string fingerprint)
    {
        if (RowIndex.TryOpen(path, fingerprint) is not { } index) return null;
        if (MediaFolder.IsUnchanged(_mediaRoot, index.Summary.Listed)) return index;
        index.Dispose();
        return null;
    }

    private bool TryBuild(string path, string fingerprint)
    {
        try
        {
            Build(path, fingerprint);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Build(string path, string fingerprint)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using AnnotationReader reader = _container.Open(_files, _config.Columns);
        AnnotationColumns? columns = Columns(reader);
        MediaFolder folder = new(_mediaRoot, _config.Missing);
        using RowIndex.Writer writer = new(path);
        List<string> problems = [];
        IReadOnlyCollection<string> names = [];
        MediaKind? kind = null;
        long rows = 0, filtered = 0, malformed = 0, missing = 0, refused = 0;
        foreach (AnnotationFields fields in reader.Rows())
        {
            rows++;
            if (fields.Problem is null && names.Count == 0) names = fields.Names;
            columns ??= AnnotationFormat.ColumnsAmong(names);
            if ((columns is null ? fields.Problem ?? "its kind is not known" : columns.ProblemOf(fields)) is { } problem)
            {
                malformed++;
                Note(problem);
                continue;
            }
            AnnotationRow row = columns!.Read(fields, rows - 1, _config.MediaExtension ?? columns.Extension);
            kind ??= columns.Kind ?? MediaFiles.KindOf(row.MediaPaths[0]);
            IReadOnlyList<string> captions = row.Captions.All(IsWanted) ? row.Captions : [.. row.Captions.Where(IsWanted)];
            IReadOnlyList<string>? paths = row.Media is { } stretch ? [stretch.Path] : folder.Find(row.MediaPaths);
            if (captions.Count == 0) filtered++;
            else if (paths is null)
            {
                refused++;
                Note($"its path {row.MediaPaths[0]} leads out of the media folder");
            }
            else if (paths.Count == 0) missing++;
            else writer.Add(new IndexedRow(row.Key, paths, row.Media?.Offset ?? 0, row.Media?.Length ?? 0, captions, row.Answer ?? "",
                row.AnswerType ?? ""));
        }
        if (rows > 0 && (columns is null || malformed == rows && (names.Count == 0 || columns.Lacking(names).Length > 0)))
            throw WrongColumns(columns, names, problems);
        CorpusCoverage coverage = new(rows, filtered, malformed, missing, refused, writer.Duplicates());
        writer.Finish(new IndexSummary(fingerprint, writer.Content, kind ?? columns?.Kind ?? MediaKind.Video, coverage,
            problems, folder.Listed));

        void Note(string problem)
        {
            if (problems.Count < ProblemsKept) problems.Add($"row {rows}: {problem}");
        }
    }

    /// <summary>The columns of the format, or those that the container has; null where the first row will tell.</summary>
    private AnnotationColumns? Columns(AnnotationReader reader)
    {
        IReadOnlyCollection<string>? names = reader.Names;
        AnnotationColumns? columns = _columns ?? reader.Columns
            ?? (names is null ? null : AnnotationFormat.ColumnsAmong(names) ?? throw WrongColumns(null, names, []));
        if (names is not null && columns is not null && columns.Lacking(names).Length > 0) throw WrongColumns(columns, names, []);
        return columns;
    }

    private DataException WrongColumns(AnnotationColumns? columns, IReadOnlyCollection<string> found, List<string> problems) =>
        found.Count == 0
        ? Error($"no row of {_name} can be understood; {string.Join("; ", problems.Take(3))}")
        : Error($"{_name} has the columns {string.Join(", ", found)}; expected " + (columns is not null
            ? $"{string.Join(", ", columns.Required)}: {columns.Lacking(found)}"
            : string.Join(", or ", AnnotationFormat.Recognisable.Select(known => string.Join(", ", known.Required))))
            + (_config.Columns is null && _config.Format == AnnotationFormat.Auto ? "; set \"columns\" where yours have other names" : ""));

    private bool IsWanted(string caption) => !string.IsNullOrWhiteSpace(caption) && !(_config.MaxCaptionWords <= WordCount(caption));

    private static int WordCount(string text)
    {
        int words = 0;
        bool inside = false;
        foreach (char letter in text)
        {
            bool space = char.IsWhiteSpace(letter);
            if (!space && !inside) words++;
            inside = !space;
        }
        return words;
    }

    /// <summary>
    /// What an index depends on: the program, the settings, the names, lengths and times of the annotation files, or what a store calls
    /// their
    /// version. Of a single file on disk, its first and last bytes too.
    /// </summary>
    private string Fingerprint(string settings)
    {
        XxHash128 hash = new();
        foreach (string address in _remote ? _files : [])
        {
            using var place = Place.Open(address);
            hash.Append(Encoding.UTF8.GetBytes($"{address}:{place.Facts}|"));
        }
        foreach (FileInfo file in _remote ? [] : _files.Select(path => new FileInfo(path)))
            hash.Append(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $"{file.FullName}:{file.Length}:{file.LastWriteTimeUtc.Ticks}|")));
        if (!_container.HoldsMedia && !_remote)
        {
            byte[] bytes = new byte[HashedBytes];
            using FileStream file = new(_annotations, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            foreach (long position in (long[])[0, Math.Max(0, file.Length - HashedBytes)])
            {
                file.Position = position;
                hash.Append(bytes.AsSpan(0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)));
            }
        }
        return $"{settings}|{Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    private string Settings() => string.Create(CultureInfo.InvariantCulture,
        $"{IndexVersion}|{_format?.Name}|{_config.MediaExtension}|{_config.MaxCaptionWords}|{_config.Missing}|{Place.NameOf(_mediaRoot)}")
        + (_config.Columns is null ? "" : $"|{_config.Columns}");

    /// <summary>
    /// Where the index of these annotations lies, by the paths and settings under which they are opened: no two displace each other. It has
    /// a folder of its own, since a file that appears among the media would be a change of their folder.
    /// </summary>
    private string IndexPath(string folder, string settings)
    {
        string name = Path.GetFileName(_name).Replace('*', '_').Replace('?', '_');
        return Path.Combine(folder, $"{name}-{XxHash64.HashToUInt64(Encoding.UTF8.GetBytes($"{_annotations}|{settings}")):x16}");
    }

    /// <summary>Where the index goes when the annotations' folder cannot be written, or is in a store.</summary>
    private string CacheFolder => _remote && _places?.CacheFolder is { } cache ? Path.Combine(cache, "indexes") : PlaceSettings.UserFolder;

    private DataException Error(string message) => new($"corpus {_config.Name}: {message}");
}
