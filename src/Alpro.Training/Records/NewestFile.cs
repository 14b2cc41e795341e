using System.Text.Json;

namespace Alpro.Training.Records;

/// <summary>A file with the newest of something, in JSON. It is never seen half written, and need not outlive a power cut.</summary>
internal static class NewestFile
{
    /// <summary>Writes it, in place of what was there.</summary>
    public static void Write<T>(string file, T newest)
    {
        string aside = file + ".partial";
        File.WriteAllText(aside, JsonSerializer.Serialize(newest, RunLog.Json) + "\n");
        File.Move(aside, file, overwrite: true);
    }

    /// <summary>What was written last; null where there is nothing, or it is none.</summary>
    public static T? Read<T>(string file) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(file), RunLog.Json);
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return null;
        }
    }
}
