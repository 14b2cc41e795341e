using System.Text;
using Alpro.Model.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Actors.Distributed.Groups;

/// <summary>
/// The generations of a run's groups of trainers, in a file of the run's folder, which all trainers share. Each number is given out once,
/// even if its receiver dies. So a trainer that finds a later number than its group's knows that the others have given it up.
/// </summary>
/// <param name="folder">The run's folder.</param>
internal sealed class Generations(RunFolder folder)
{
    /// <summary>How long to wait for another process that takes a number, which is a matter of milliseconds.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);

    private readonly string _file = folder.Generation.Number, _turn = folder.Generation.Lock;

    /// <summary>The last number that was given out; 0 before the first. It never waits: the file is replaced as a whole.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public long Last()
    {
        if (!File.Exists(_file)) return 0;
        string text = File.ReadAllText(_file);
        return long.TryParse(text, out long last) ? last : throw new InvalidDataException($"{_file}: expected the number of the last group "
            + $"of trainers, found \"{text.Trim()}\"; put in one that is larger than in any log of the run");
    }

    /// <summary>Gives out the next number, which is on the disk before it is returned.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public long Next()
    {
        using FileStream turn = FileTurn.Take(_turn, _patience);
        long next = Last() + 1;
        WholeFile.Write(_file, stream => stream.Write(Encoding.ASCII.GetBytes($"{next}\n")));
        return next;
    }
}
