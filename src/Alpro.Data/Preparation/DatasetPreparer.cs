using System.Collections.Concurrent;
using Alpro.Data.Preparation.Official;

namespace Alpro.Data.Preparation;

/// <summary>A file that could not be prepared.</summary>
/// <param name="Path">The archive or media file.</param>
/// <param name="Reason">Why.</param>
internal sealed record PreparationFailure(string Path, string Reason);

/// <summary>What preparing a dataset came to.</summary>
/// <param name="Dataset">The dataset.</param>
/// <param name="Archives">Archives that were unpacked, and whether each was checked against a published checksum.</param>
/// <param name="Sources">Media files found.</param>
/// <param name="Converted">Files converted by this run.</param>
/// <param name="AlreadyThere">Files that an earlier run had converted.</param>
/// <param name="Prepared">Media files ready for use.</param>
/// <param name="Expected">Media files the dataset has when complete; null if not known.</param>
/// <param name="KnownMissing">Of these, missing everywhere.</param>
/// <param name="Failures">What failed and why.</param>
internal sealed record PreparationReport(
    string Dataset, IReadOnlyDictionary<string, string> Archives, int Sources, int Converted, int AlreadyThere, int Prepared,
        int? Expected, int KnownMissing, IReadOnlyList<PreparationFailure> Failures)
{
    /// <summary>What preparing its annotations came to; null where none were given.</summary>
    public AnnotationReport? Annotations { get; init; }

    /// <summary>Whether nothing failed, nothing but what is known to be missing is missing, and annotations are as published.</summary>
    public bool IsComplete => Failures.Count == 0 && (Expected is null || Prepared >= Expected - KnownMissing)
        && Annotations is not { Differences.Count: > 0 };

    /// <summary>The report where annotations alone were prepared.</summary>
    public static PreparationReport Of(string dataset, AnnotationReport annotations) =>
        new(dataset, new Dictionary<string, string>(), 0, 0, 0, 0, null, 0, []) { Annotations = annotations };
}

/// <summary>
/// Makes the media of a dataset ready: verifies and unpacks its archives, converts what is to be converted, counts. It can be
/// stopped and run again: what is finished is not done twice, what failed is tried again. Sources are not changed.
/// </summary>
/// <param name="recipe">The dataset.</param>
/// <param name="conversion">How media are converted; null uses them as they are.</param>
/// <param name="workers">Files that are converted at once.</param>
internal sealed class DatasetPreparer(DatasetRecipe recipe, ConversionSettings? conversion, int workers)
{
    /// <summary>Prepares a dataset.</summary>
    /// <param name="source">Folder of its archives, or of its media files, searched with all folders within.</param>
    /// <param name="target">
    /// Folder that receives <c>videos/</c> (or <c>images/</c>), and <c>unpacked/</c> where archives are converted.
    /// </param>
    /// <param name="progress">Told what is being done, and the share of it that is done.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="DataException">
    /// The source has neither archives nor media, the target cannot be written, or there is no ffmpeg.
    /// </exception>
    public async Task<PreparationReport> PrepareAsync(string source, string target, IProgress<(string Work, double Done)>? progress = null,
        CancellationToken cancellation = default)
    {
        if (!Directory.Exists(source)) throw new DataException($"There is no folder {source}.");
        string[] archives = [.. Directory.EnumerateFiles(source).Where(ArchiveUnpacker.IsArchive).Order(StringComparer.Ordinal)];
        string ready = Path.Combine(target, recipe.Extensions.Contains(".jpg") ? "images" : "videos");
        if (archives.Length == 0 && conversion is not null && IsWithin(source, ready))
            throw new DataException($"{ready} lies within {source}: what is converted would be taken for a source. Choose another "
                + "output folder.");
        string originals = archives.Length == 0 ? source : conversion is null ? ready : Path.Combine(target, "unpacked");
        try
        {
            Directory.CreateDirectory(ready);
            Directory.CreateDirectory(originals);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{target} cannot be written: {exception.Message}", exception);
        }

        List<PreparationFailure> failures = [];
        Dictionary<string, string> unpacked = [];
        foreach (string archive in archives)
        {
            string found = await UnpackAsync(archive, originals, failures, progress, cancellation).ConfigureAwait(false);
            unpacked[Path.GetFileName(archive)] = found;
        }
        string[] media = Media(originals);
        if (media.Length == 0 && failures.Count == 0)
            throw new DataException($"{source} holds neither archives (.zip, .tar, .tar.gz) nor media files "
                + $"({string.Join(", ", recipe.Extensions)}).");

        (int converted, int alreadyThere) = conversion is null ? (0, 0)
            : await ConvertAsync(media, ready, new MediaConverter(conversion), failures, progress, cancellation).ConfigureAwait(false);
        int prepared = conversion is null ? media.Length : converted + alreadyThere;
        return new PreparationReport(recipe.Name, unpacked, media.Length, converted, alreadyThere, prepared, recipe.Expected,
            recipe.KnownMissing.Count, failures);
    }

    private async Task<string> UnpackAsync(string archive, string folder, List<PreparationFailure> failures,
        IProgress<(string, double)>? progress, CancellationToken cancellation)
    {
        string name = Path.GetFileName(archive), state = "no checksum is published";
        if (recipe.Archives.FirstOrDefault(published => published.FileName == name) is { } published)
        {
            progress?.Report(($"verify {name}", 0));
            string found = await ArchiveUnpacker.Md5Async(archive, cancellation).ConfigureAwait(false);
            if (found != published.Md5)
            {
                failures.Add(new PreparationFailure(archive, $"its MD5 is {found}, published is {published.Md5}: download it again"));
                return "wrong checksum, not unpacked";
            }
            state = "checksum verified";
        }
        (int files, IReadOnlyList<string> troubles) = new ArchiveUnpacker(recipe.Extensions)
            .Unpack(archive, folder, progress is null ? null : new Share(done => progress.Report(($"unpack {name}", done))), cancellation);
        failures.AddRange(troubles.Select(trouble => new PreparationFailure(archive, trouble)));
        return $"{state}; {files} files";
    }

    private async Task<(int Converted, int AlreadyThere)> ConvertAsync(string[] media, string folder, MediaConverter converter,
        List<PreparationFailure> failures, IProgress<(string, double)>? progress, CancellationToken cancellation)
    {
        ConcurrentQueue<PreparationFailure> failed = new();
        int converted = 0, alreadyThere = 0, done = 0;
        HashSet<string> targets = [];
        List<(string Source, string Target)> works = [];
        foreach (string source in media)
        {
            string name = Path.GetFileNameWithoutExtension(source) + MediaConverter.ExtensionOf(source);
            if (!targets.Add(name)) failed.Enqueue(new PreparationFailure(source, $"another file has become {name} already"));
            else if (File.Exists(Path.Combine(folder, name))) alreadyThere++;
            else works.Add((source, Path.Combine(folder, name)));
        }
        await Parallel.ForEachAsync(works, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation },
            async (work, stop) =>
        {
            if (await converter.ConvertAsync(work.Source, work.Target, stop).ConfigureAwait(false) is { } reason)
                failed.Enqueue(new PreparationFailure(work.Source, reason));
            else Interlocked.Increment(ref converted);
            progress?.Report(("convert", Interlocked.Increment(ref done) / (double)works.Count));
        }).ConfigureAwait(false);
        failures.AddRange(failed.OrderBy(failure => failure.Path, StringComparer.Ordinal));
        return (converted, alreadyThere);
    }

    private string[] Media(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(path => recipe.Extensions.Contains(Path.GetExtension(path).ToLowerInvariant()))
            .Where(path => !Path.GetFileName(path).StartsWith('.'))
            .Order(StringComparer.Ordinal)];

    private static bool IsWithin(string folder, string path) =>
        (Path.GetFullPath(path) + '/').StartsWith(Path.GetFullPath(folder).TrimEnd('/') + '/', StringComparison.Ordinal);

    /// <summary>Progress told at once, on the caller's thread.</summary>
    private sealed class Share(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
