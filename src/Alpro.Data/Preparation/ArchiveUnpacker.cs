using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Alpro.Data.Preparation;

/// <summary>
/// Unpacks the media files of zip and tar archives into one folder, whatever folders they lie in within the archive. A file appears whole
/// or not at all. One that is there with the right length is left, so a second run completes the first.
/// </summary>
/// <param name="extensions">Extensions of the files that are wanted.</param>
internal sealed class ArchiveUnpacker(IReadOnlyList<string> extensions)
{
    /// <summary>Whether a file is an archive that can be unpacked, by its name.</summary>
    public static bool IsArchive(string path) => IsZip(path) || IsTar(path);

    /// <summary>The MD5 checksum of a file, in lower-case hexadecimal.</summary>
#pragma warning disable CA5351 // MD5 is what the datasets' authors publish; it guards against broken downloads, not against forgery.
    public static async Task<string> Md5Async(string path, CancellationToken cancellation)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(await MD5.HashDataAsync(file, cancellation).ConfigureAwait(false));
    }
#pragma warning restore CA5351

    /// <summary>Unpacks one archive.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="folder">Where its files go.</param>
    /// <param name="progress">Told the share of the archive that is done.</param>
    /// <param name="cancellation">Stops it between files.</param>
    /// <returns>
    /// How many wanted files the archive holds, and the trouble met: damage after which the rest is lost, files of one name.
    /// </returns>
    public (int Files, IReadOnlyList<string> Troubles) Unpack(string archive, string folder, IProgress<double>? progress = null,
        CancellationToken cancellation = default)
    {
        HashSet<string> names = [];
        List<string> troubles = [];
        try
        {
            using FileStream file = File.OpenRead(archive);
            if (IsZip(archive)) UnpackZip(file);
            else if (!archive.EndsWith("gz", StringComparison.OrdinalIgnoreCase)) UnpackTar(file, file);
            else UnpackTar(new GZipStream(file, CompressionMode.Decompress), file);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or FormatException)
        {
            troubles.Add($"the archive is damaged after {names.Count} files: {exception.Message}");
        }
        return (names.Count, troubles);

        void UnpackZip(FileStream file)
        {
            using ZipArchive zip = new(file);
            for (int i = 0; i < zip.Entries.Count; i++)
            {
                ZipArchiveEntry entry = zip.Entries[i];
                if (Target(entry.FullName) is { } target) Write(target, entry.Length, entry.Open);
                progress?.Report((i + 1.0) / zip.Entries.Count);
            }
        }

        void UnpackTar(Stream stream, FileStream file)
        {
            using TarReader tar = new(stream);
            while (tar.GetNextEntry() is { } entry)
            {
                if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile && Target(entry.Name) is { } target)
                    Write(target, entry.Length, () => entry.DataStream ?? Stream.Null);
                progress?.Report(file.Position / (double)file.Length);
            }
        }

        string? Target(string name)
        {
            cancellation.ThrowIfCancellationRequested();
            string plain = Path.GetFileName(name);                 // folders within the archive, "../" among them, have no meaning here
            if (plain.StartsWith('.') || !extensions.Contains(Path.GetExtension(plain).ToLowerInvariant())) return null;
            if (names.Add(plain)) return Path.Combine(folder, plain);
            troubles.Add($"{name}: another file of the archive has this name");
            return null;
        }

        static void Write(string target, long length, Func<Stream> open)
        {
            if (new FileInfo(target) is { Exists: true } there && there.Length == length) return;
            string aside = target + ".part";
            try
            {
                using (FileStream file = File.Create(aside))
                using (Stream content = open())
                {
                    content.CopyTo(file);
                    if (file.Length != length)
                        throw new EndOfStreamException($"{Path.GetFileName(target)} ends after {file.Length} of {length} bytes");
                }
                File.Move(aside, target, overwrite: true);
            }
            finally
            {
                File.Delete(aside);
            }
        }
    }

    private static bool IsZip(string path) => path.EndsWith(".zip", StringComparison.OrdinalIgnoreCase);

    private static bool IsTar(string path) => path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)
        || path.EndsWith(".tar.gz", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase);
}
