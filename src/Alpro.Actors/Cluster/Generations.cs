namespace Alpro.Actors.Cluster;

/// <summary>
/// The numbers of a run's groups of trainers, in a file of its folder, which all of them share. A number is given out once, whoever asks, and
/// whenever it died: so whoever finds a later one than that of its own group knows that it has been given up, whatever it has missed.
/// </summary>
/// <param name="folder">The run's folder.</param>
public sealed class Generations(string folder)
{
    private const string Format = "D19";                             // the longest, so that writing one over another leaves nothing of it

    private readonly string _file = Path.Combine(folder, "generation");

    /// <summary>The last number that was given out; 0 before the first.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public long Last()
    {
        if (!File.Exists(_file)) return 0;
        using var file = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return Read(file);
    }

    /// <summary>Gives out the next number, which is on the disk before it is returned.</summary>
    /// <exception cref="IOException">The file cannot be written, or another is doing so.</exception>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public long Next()
    {
        using var file = new FileStream(_file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        long next = Read(file) + 1;
        file.Position = 0;
        file.Write(System.Text.Encoding.ASCII.GetBytes(next.ToString(Format) + "\n"));
        file.Flush(flushToDisk: true);
        return next;
    }

    private long Read(FileStream file)
    {
        if (file.Length == 0) return 0;
        using var reader = new StreamReader(file, leaveOpen: true);
        string text = reader.ReadToEnd();
        return long.TryParse(text, out long last) ? last : throw new InvalidDataException($"{_file}: expected the number of the last group of trainers, found \"{text.Trim()}\"; put in one that is larger than in any log of the run");
    }
}
