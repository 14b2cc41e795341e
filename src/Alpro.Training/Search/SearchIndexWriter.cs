using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Alpro.Data;
using Alpro.Training.Configuration;

namespace Alpro.Training.Search;

/// <summary>
/// Writes the next generation of an index, file after file in the order of a plan. What is unchanged is copied from the generation before;
/// of everything else, windows are added as they are encoded. A writer that was killed is followed by one that goes on behind the last
/// <see cref="Commit"/>: the finished bytes are the same. Readers keep the old generation until the new one is complete.
/// </summary>
public sealed unsafe class SearchIndexWriter : IDisposable
{
    private const string ProgressName = "progress.json", LockName = ".lock";

    private readonly string _folder, _data;
    private readonly SearchManifest _manifest;
    private readonly FileStream _lock, _features, _windows, _files, _texts, _thumbnails;
    private readonly FileStream? _tokens;
    private readonly List<string> _problems = [];
    private Progress _done = new();

    /// <summary>What a commit writes down: how much is there, and of which file a part.</summary>
    private sealed record Progress
    {
        public int Files { get; init; }

        public int Windows { get; init; }

        public long Texts { get; init; }

        public long Thumbnails { get; init; }

        public int First { get; init; }                              // the first window of the file in hand

        public int Settled { get; init; }

        public string Hand { get; init; } = "";

        public IReadOnlyList<string> Problems { get; init; } = [];
    }

    private SearchIndexWriter(string folder, SearchManifest manifest, SearchIndex? before, IReadOnlyList<IndexedFile> plan, FileStream held)
    {
        (_folder, _lock, Before, Plan) = (folder, held, before, plan);
        _manifest = manifest with { Generation = (before?.Manifest.Generation ?? 0) + 1 };
        _data = Directory.CreateDirectory(IndexFiles.FolderOf(folder, _manifest.Generation)).FullName;
        (_features, _windows, _files, _texts, _thumbnails) = (Open(IndexFiles.Features), Open(IndexFiles.Windows), Open(IndexFiles.Files),
            Open(IndexFiles.Texts), Open(IndexFiles.Thumbnails));
        if (manifest.Tokens is not null) _tokens = Open(IndexFiles.Tokens);
        Resume();

        FileStream Open(string name) =>
            new(Path.Combine(_data, name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 1 << 16);
    }

    /// <summary>Opens an index for writing; what an interrupted writer has finished is kept.</summary>
    /// <param name="folder">The index's folder.</param>
    /// <param name="manifest">What it shall be.</param>
    /// <param name="plan">The files that it shall have, in the order of their names; only what identifies them is read.</param>
    /// <exception cref="DataException">It is of other weights or settings, or another process writes it.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static SearchIndexWriter Open(string folder, SearchManifest manifest, IReadOnlyList<IndexedFile> plan)
    {
        string full = Directory.CreateDirectory(folder).FullName;
        FileStream held;
        try
        {
            held = new(Path.Combine(full, LockName), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error)
        {
            throw new DataException($"{folder}: another process writes this index: {error.Message}; wait for it, or name another", error);
        }
        SearchIndex? before = null;
        try
        {
            if (SearchIndex.ReadManifest(full) is { } old)
            {
                Require(folder, old, manifest);
                before = SearchIndex.Open(full);
            }
            RemoveOthers(full, before?.Manifest.Generation ?? 0);
            return new(full, manifest, before, plan, held);
        }
        catch
        {
            before?.Dispose();
            held.Dispose();
            throw;
        }
    }

    /// <summary>The finished generation before this one; null where there is none.</summary>
    public SearchIndex? Before { get; }

    /// <summary>The files that the index shall have.</summary>
    public IReadOnlyList<IndexedFile> Plan { get; }

    /// <summary>Files that are finished: the next to add has this number.</summary>
    public int Files => _done.Files;

    /// <summary>Windows of the file in hand that are settled: added, or left out.</summary>
    public int Settled => _done.Settled;

    /// <summary>Windows that have been written.</summary>
    public int Windows => _done.Windows;

    /// <summary>Whether nothing has to be done: the finished generation has exactly the files of the plan.</summary>
    public bool IsComplete => Before is { } before && before.FileCount == Plan.Count
        && before.AllFiles().Zip(Plan).All(pair => pair.First.IsSame(pair.Second));

    /// <summary>The file of the generation before that is the same as one of the plan; null where there is none.</summary>
    public IndexedFile? Unchanged(int number) => Before?.Find(Plan[number].Name) is { } old && old.IsSame(Plan[number]) ? old : null;

    /// <summary>Adds a window to the file in hand.</summary>
    /// <param name="window">Frames and times; its numbers are given here.</param>
    /// <param name="feature_F">Its feature, normalised.</param>
    /// <param name="tokens_MD">Its tokens; none where the index keeps none.</param>
    /// <param name="thumbnail">Its picture, a JPEG.</param>
    public void Add(Window window, ReadOnlySpan<Half> feature_F, ReadOnlySpan<Half> tokens_MD, ReadOnlySpan<byte> thumbnail)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(feature_F.Length, _manifest.Width);
        if (_manifest.Tokens is [int tokens, int width]) ArgumentOutOfRangeException.ThrowIfNotEqual(tokens_MD.Length, tokens * width);
        _features.Write(MemoryMarshal.AsBytes(feature_F));
        _tokens?.Write(MemoryMarshal.AsBytes(tokens_MD));
        _thumbnails.Write(thumbnail);
        Append(_windows, new WindowRecord(_done.Thumbnails, thumbnail.Length, Files, window.FirstFrame, window.FrameCount,
            (float)window.Start, (float)window.End));
        _done = _done with { Windows = Windows + 1, Thumbnails = _done.Thumbnails + thumbnail.Length, Settled = Settled + 1 };
    }

    /// <summary>
    /// Numbers in 16 bits. What is below the smallest normal number becomes 0: it says nothing, and slows every product with it.
    /// </summary>
    public static Half[] Halves(ReadOnlySpan<float> numbers)
    {
        const float leastNormal = 6.103515625e-5f;
        Half[] halves = new Half[numbers.Length];
        for (int i = 0; i < halves.Length; i++) halves[i] = MathF.Abs(numbers[i]) < leastNormal ? default : (Half)numbers[i];
        return halves;
    }

    /// <summary>Leaves a window of the file in hand out, for it cannot be read.</summary>
    public void Skip(string problem)
    {
        _problems.Add(problem);
        _done = _done with { Settled = Settled + 1 };
    }

    /// <summary>Finishes the file in hand.</summary>
    /// <param name="file">The file of the plan, with what was found when it was opened, or what hindered that.</param>
    public void EndFile(IndexedFile file)
    {
        string? problem = file.Problem ?? _problems.Count switch
        {
            0 => null,
            1 => _problems[0],
            _ => $"{_problems[0]}; and {_problems.Count - 1} windows more",
        };
        Write(file with { FirstWindow = _done.First, WindowCount = Windows - _done.First, Problem = problem });
    }

    /// <summary>Takes the file in hand over from the generation before, with all its windows.</summary>
    public void Copy(IndexedFile old)
    {
        int first = Windows;
        for (int window = old.FirstWindow; window < old.FirstWindow + old.WindowCount; window++)
        {
            WindowRecord record = Before!.Record(window);
            _features.Write(MemoryMarshal.AsBytes(Before.Feature(window)));
            _tokens?.Write(MemoryMarshal.AsBytes(Before.Tokens(window)));
            _thumbnails.Write(Before.Thumbnail(window));
            Append(_windows, record with { Thumbnail = _done.Thumbnails, File = Files });
            _done = _done with { Windows = Windows + 1, Thumbnails = _done.Thumbnails + record.ThumbnailLength };
        }
        Write(old with { FirstWindow = first });
    }

    /// <summary>Makes sure that what has been written so far is kept, whatever happens.</summary>
    public void Commit()
    {
        foreach (FileStream? stream in Streams) stream?.Flush(flushToDisk: true);
        WriteAside(Path.Combine(_data, ProgressName), _done with
        {
            Hand = Settled > 0 ? IdentityOf(Plan[Files]) : "",
            Problems = [.. _problems],
        });
    }

    /// <summary>Puts the finished generation in the place of the one before.</summary>
    /// <exception cref="InvalidOperationException">Files of the plan are lacking.</exception>
    public SearchManifest Complete()
    {
        if (Files != Plan.Count) throw new InvalidOperationException($"{Files} of {Plan.Count} files are finished.");
        foreach (FileStream? stream in Streams) stream?.Flush(flushToDisk: true);
        SearchManifest manifest = _manifest with { Count = Windows, Files = Files };
        File.Delete(Path.Combine(_data, ProgressName));
        WriteAside(Path.Combine(_folder, IndexFiles.Manifest), manifest);
        if (Before is { } before) Directory.Delete(IndexFiles.FolderOf(_folder, before.Manifest.Generation), recursive: true);
        return manifest;
    }

    /// <summary>Gives up the generation that was begun: nothing has to be done.</summary>
    public void Discard() => Directory.Delete(_data, recursive: true);

    /// <summary>Writes what texts are encoded with beside the data.</summary>
    /// <param name="folder">The index's folder.</param>
    /// <param name="config">The configuration; no corpus is kept of it.</param>
    public static void WriteModel(string folder, RunConfig config)
    {
        RunConfig kept = config with { Data = config.Data with { Corpora = [], Vocabulary = IndexFiles.Vocabulary } };
        AsideFile.WriteLines(Path.Combine(folder, IndexFiles.Vocabulary), File.ReadLines(config.Data.Vocabulary));
        AsideFile.WriteLines(Path.Combine(folder, IndexFiles.Config), [ConfigLoader.ToJson(kept)]);
    }

    /// <summary>Writes the list of files that could not be read, or not all of them; without any there is no list.</summary>
    public static void WriteUnreadable(string folder, IReadOnlyCollection<(string File, string Problem)> files)
    {
        string list = Path.Combine(folder, IndexFiles.Unreadable);
        if (files.Count == 0) File.Delete(list);
        else AsideFile.WriteLines(list, ["file,problem", .. files.Select(row => $"{Quoted(row.File)},{Quoted(row.Problem)}")]);

        static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal).ReplaceLineEndings(" ")}\"";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FileStream? stream in Streams) stream?.Dispose();
        Before?.Dispose();
        _lock.Dispose();
    }

    private FileStream?[] Streams => [_features, _windows, _files, _texts, _thumbnails, _tokens];

    private static void Require(string folder, SearchManifest old, SearchManifest wanted)
    {
        string? differs = old.Model.WeightHash != wanted.Model.WeightHash ? $"weights ({old.Model.Weights})"
            : old.Model.ConfigHash != wanted.Model.ConfigHash ? "settings of the model or of its clips"
            : old.Windows != wanted.Windows ? "windows"
            : (old.Tokens is null) != (wanted.Tokens is null) ? "tokens"
            : old.Source != wanted.Source ? $"videos ({old.Source})" : null;
        if (differs is not null)
            throw new DataException($"{folder}: is an index with other {differs}; name another folder with --out, or remove this one");
    }

    /// <summary>Removes generations that are neither the finished one nor the next.</summary>
    private static void RemoveOthers(string folder, int finished)
    {
        string[] kept = [IndexFiles.FolderOf(folder, finished), IndexFiles.FolderOf(folder, finished + 1)];
        foreach (string other in Directory.EnumerateDirectories(folder, Path.GetFileName(IndexFiles.FolderOf(folder, 0))[..^1] + "*"))
            if (!kept.Contains(other)) Directory.Delete(other, recursive: true);
    }

    /// <summary>
    /// Finds what the last commit kept, as far as the plan still begins with the same files; everything behind goes.
    /// </summary>
    private void Resume()
    {
        string file = Path.Combine(_data, ProgressName);
        if (File.Exists(file)) _done = JsonSerializer.Deserialize<Progress>(File.ReadAllBytes(file), ConfigLoader.Json)!;
        int same = 0;
        while (same < Files && same < Plan.Count && FileAt(same).IsSame(Plan[same])) same++;
        bool handIsSame = same == Files && (Settled == 0 || (same < Plan.Count && _done.Hand == IdentityOf(Plan[same])));
        if (!handIsSame) _done = UpTo(same);
        _problems.AddRange(_done.Problems);
        _features.SetLength((long)Windows * _manifest.Width * sizeof(Half));
        _windows.SetLength((long)Windows * sizeof(WindowRecord));
        _files.SetLength((long)Files * sizeof(FileRecord));
        _texts.SetLength(_done.Texts);
        _thumbnails.SetLength(_done.Thumbnails);
        if (_manifest.Tokens is [int tokens, int width]) _tokens!.SetLength((long)Windows * tokens * width * sizeof(Half));
        foreach (FileStream? stream in Streams) stream?.Seek(0, SeekOrigin.End);
    }

    /// <summary>What was there when so many files were finished, and no more.</summary>
    private Progress UpTo(int files)
    {
        if (files == 0) return new();
        FileRecord last = ReadAt<FileRecord>(_files, files - 1);
        int windows = last.FirstWindow + last.WindowCount;
        WindowRecord window = windows == 0 ? default : ReadAt<WindowRecord>(_windows, windows - 1);
        return new()
        {
            Files = files,
            Windows = windows,
            First = windows,
            Texts = last.Text + last.NameLength + last.PathLength + last.ProblemLength,
            Thumbnails = window.Thumbnail + window.ThumbnailLength,
        };
    }

    private IndexedFile FileAt(int number)
    {
        FileRecord file = ReadAt<FileRecord>(_files, number);
        byte[] text = new byte[file.NameLength + file.PathLength];
        RandomAccess.Read(_texts.SafeFileHandle, text, file.Text);
        return new(number, Encoding.UTF8.GetString(text.AsSpan(0, file.NameLength)),
            new(Encoding.UTF8.GetString(text.AsSpan(file.NameLength)), file.Offset, file.Length))
        {
            Size = file.Size,
            Changed = file.Changed,
        };
    }

    private static string IdentityOf(IndexedFile file) =>
        $"{file.Name}|{file.Media.Path}|{file.Media.Offset}|{file.Media.Length}|{file.Size}|{file.Changed}";

    private static T ReadAt<T>(FileStream stream, int number) where T : unmanaged
    {
        T value = default;
        RandomAccess.Read(stream.SafeFileHandle, MemoryMarshal.AsBytes(new Span<T>(ref value)), (long)number * sizeof(T));
        return value;
    }

    private void Write(IndexedFile file)
    {
        byte[] name = Encoding.UTF8.GetBytes(file.Name), path = Encoding.UTF8.GetBytes(file.Media.Path),
            problem = Encoding.UTF8.GetBytes(file.Problem ?? "");
        _texts.Write([.. name, .. path, .. problem]);
        Append(_files, new FileRecord(_done.Texts, file.Media.Offset, file.Media.Length, file.Size, file.Changed, file.Info.FrameRate,
            name.Length, path.Length, problem.Length, (int)file.Kind, file.Info.FrameCount, file.Info.Width, file.Info.Height,
            file.Info.Rotation, file.FirstWindow, file.WindowCount));
        _problems.Clear();
        _done = _done with
        {
            Files = Files + 1,
            First = Windows,
            Settled = 0,
            Texts = _done.Texts + name.Length + path.Length + problem.Length,
        };
    }

    private static void Append<T>(FileStream stream, T value) where T : unmanaged =>
        stream.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(ref value)));

    /// <summary>A file that appears whole or not at all.</summary>
    private static void WriteAside<T>(string file, T content)
    {
        string aside = file + ".partial";
        using (var stream = new FileStream(aside, FileMode.Create))
        {
            JsonSerializer.Serialize(stream, content, ConfigLoader.Json);
            stream.Flush(flushToDisk: true);
        }
        File.Move(aside, file, overwrite: true);
    }
}
