namespace Alpro.Model.Checkpoints;

/// <summary>Writes files that are never seen half written.</summary>
internal static class WholeFile
{
    /// <summary>
    /// Writes beside the file, flushes to the disk, then takes the file's name. After a failure the old file is as it was.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The disk is full, the folder cannot be written, and so on.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        string aside = path + ".partial";
        try
        {
            using (var stream = new FileStream(aside, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(aside, path, overwrite: true);
            FolderEntries.Flush(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }
}
