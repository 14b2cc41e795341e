using System.Text.Json;
using Alpro.Training.Configuration;

namespace Alpro.Training.Records;

/// <summary>
/// Reads a file of records while others add to it: each look reads what has come since the last. A run that resumes cuts its records off
/// after its checkpoint; then they are read from the beginning again.
/// </summary>
/// <typeparam name="T">The records.</typeparam>
/// <param name="file">The file, which need not exist yet.</param>
/// <param name="add">Given each record.</param>
/// <param name="forget">Told that all given so far counts no longer.</param>
public sealed class FollowedFile<T>(string file, Action<T> add, Action forget) where T : class
{
    private long _begin, _end;                                       // of the last line that was read
    private T? _last;

    /// <summary>Reads what has come.</summary>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public void Look()
    {
        if (new FileInfo(file) is not { Exists: true, Length: var length } || length == _end) return;
        if (_last is not null && !IsStillThere(length))
        {
            (_last, _begin, _end) = (null, 0, 0);
            forget();
        }
        foreach ((T record, long begin, long end) in RecordFile<T>.ReadFrom(file, _end))
        {
            (_last, _begin, _end) = (record, begin, end);
            add(record);
        }
    }

    /// <summary>Whether the last line that was read is where it was.</summary>
    private bool IsStillThere(long length)
    {
        if (length < _end) return false;
        try
        {
            return RecordFile<T>.ReadFrom(file, _begin).FirstOrDefault() is { Record: { } record, End: var end } && end == _end
                && JsonSerializer.Serialize(record, RunLog.Json) == JsonSerializer.Serialize(_last, RunLog.Json);
        }
        catch (ConfigException)
        {
            return false;                                            // the place is in the middle of another line
        }
    }
}
