namespace Alpro.Training.Records;

/// <summary>A turn at what only one process may do at a time: the lock of a file. A process that dies gives it back.</summary>
public static class FileTurn
{
    /// <summary>Waits for the turn, which ends when the returned file is disposed of.</summary>
    /// <param name="file">The file to lock; it is made where it is absent, and stays.</param>
    /// <param name="patience">How long others may have it.</param>
    /// <exception cref="IOException">Others had it for so long, or the file cannot be written.</exception>
    public static FileStream Take(string file, TimeSpan patience)
    {
        FileStream? turn = null;
        IOException? refused = null;
        return SpinWait.SpinUntil(TryTake, patience) ? turn! : throw refused!;

        bool TryTake()
        {
            try
            {
                turn = new(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
            }
            catch (IOException exception)
            {
                refused = exception;
            }
            return turn is not null;
        }
    }
}
