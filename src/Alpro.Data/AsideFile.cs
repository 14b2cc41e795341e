namespace Alpro.Data;

/// <summary>A text file that appears whole or not at all: it is written aside and renamed.</summary>
internal static class AsideFile
{
    /// <summary>Writes lines as they come, in UTF-8; the folder is made where it is absent.</summary>
    public static void WriteLines(string path, IEnumerable<string> lines)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string aside = path + ".partial";
        try
        {
            File.WriteAllLines(aside, lines);
            File.Move(aside, path, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }
}
