using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Data.Places;

/// <summary>A file or folder of this machine.</summary>
/// <param name="path">Its path.</param>
internal sealed class LocalPlace(string path) : Place(path)
{
    private SafeFileHandle? _file;

    public override PlaceFacts Facts => Guarded(() =>
    {
        FileInfo file = new(Name);
        return new PlaceFacts(file.Length, Version(file));
    });

    public override long Length => Guarded(() => RandomAccess.GetLength(Opened()));

    public override void Read(long position, Span<byte> bytes)
    {
        SafeFileHandle file = Guarded(Opened);
        for (int done = 0; done < bytes.Length;)
        {
            int more;
            try
            {
                more = RandomAccess.Read(file, bytes[done..], position + done);
            }
            catch (IOException exception)
            {
                throw new PlaceException(PlaceFault.ReadError, Name, exception.Message, exception);
            }
            if (more == 0)
                throw new PlaceException(PlaceFault.Truncated, Name, $"it ends before byte {position + bytes.Length}");
            done += more;
        }
    }

    public override IEnumerable<(string Name, PlaceFacts Facts)> List() => Guarded(() => new DirectoryInfo(Name)
        .EnumerateFiles("*", SearchOption.AllDirectories)
        .Select(file => (Name: Path.GetRelativePath(Name, file.FullName), Facts: new PlaceFacts(file.Length, Version(file))))
        .OrderBy(file => file.Name, StringComparer.Ordinal).ToArray());

    protected override void Dispose(bool disposing)
    {
        if (disposing) _file?.Dispose();
        base.Dispose(disposing);
    }

    private static string Version(FileInfo file) => file.LastWriteTimeUtc.Ticks.ToString(CultureInfo.InvariantCulture);

    private SafeFileHandle Opened() => _file ??= File.OpenHandle(Name);

    private T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new PlaceException(PlaceFault.Missing, Name, "it is not there", exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new PlaceException(PlaceFault.Denied, Name, exception.Message, exception);
        }
        catch (IOException exception)
        {
            throw new PlaceException(PlaceFault.ReadError, Name, exception.Message, exception);
        }
    }
}
