using System.Globalization;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// PyTorch's <c>.pt</c> files, without Python and without running anything a file contains. Both formats are read, the zip of
/// 1.6 and later and the stream before it; the zip is written.
/// </summary>
public static class TorchFile
{
    private const int Deepest = 64, LongestName = 1000, LongestList = 64, MostEntries = 200_000;

    /// <summary>Writes what <c>torch.load(path, weights_only=True)</c> reads. The file appears under its name only when it is complete.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="content">
    /// A tensor, or a dictionary with text or integer keys, list, text, integer, double, bool or null; nested as one likes.
    /// Tensors that share memory share it in the file.
    /// </param>
    /// <exception cref="CheckpointException">A value is of another kind.</exception>
    public static void Save(string path, object? content)
    {
        using var scope = NewDisposeScope();
        (byte[] pickle, List<(string Key, Tensor Elements)> storages) = PickleWriter.Write(content);
        string name = System.IO.Path.GetFileNameWithoutExtension(path);
        WholeFile.Write(path, stream =>
        {
            var zip = new TorchZipWriter(stream);
            zip.Write($"{name}/data.pkl", pickle);
            zip.Write($"{name}/byteorder", "little"u8);
            foreach ((string key, Tensor elements) in storages) zip.Write($"{name}/data/{key}", elements);
            zip.Write($"{name}/version", "3\n"u8);
            zip.Finish();
        });
    }

    internal static CheckpointContent ReadZip(SafeFileHandle file) => Flatten(CheckpointFormat.TorchZip, TorchZip.Read(file));

    internal static CheckpointContent ReadStream(SafeFileHandle file) => Flatten(CheckpointFormat.TorchStream, TorchLegacyStream.Read(file));

    /// <summary>Gives every tensor and every plain value of a nested structure a name of its own.</summary>
    private static CheckpointContent Flatten(CheckpointFormat format, object? root)
    {
        var content = new CheckpointContent(format, [], []);
        Visit("", root, 0);
        return content;

        void Visit(string name, object? value, int depth)
        {
            if (depth > Deepest || name.Length > LongestName) throw new InvalidDataException($"it is nested more than {Deepest} deep, or names are longer than {LongestName}");
            if (content.Tensors.Count + content.Metadata.Count > MostEntries) throw new InvalidDataException($"it has more than {MostEntries} entries");
            switch (value)
            {
                case OrderedDictionary<string, object?> { Count: > 0 } dictionary:
                    foreach ((string key, object? item) in dictionary) Visit(name.Length == 0 ? key : $"{name}/{key}", item, depth + 1);
                    break;
                case IReadOnlyList<object?> items when !items.All(IsPlain):
                    for (int i = 0; i < items.Count; i++) Visit(name.Length == 0 ? $"{i}" : $"{name}/{i}", items[i], depth + 1);
                    break;
                case StoredTensor tensor:
                    if (!content.Tensors.TryAdd(name.Length == 0 ? "tensor" : name, tensor)) throw new InvalidDataException($"two of its tensors are called '{name}'");
                    break;
                default:
                    if (!content.Metadata.TryAdd(name.Length == 0 ? "value" : name, Describe(value))) throw new InvalidDataException($"two of its values are called '{name}'");
                    break;
            }
        }
    }

    private static bool IsPlain(object? value) => IsAtom(value) || value is object?[] tuple && tuple.All(IsAtom);

    private static bool IsAtom(object? value) => value is null or string or long or double or bool;

    /// <summary>A plain value, roughly as Python would print it; long lists are only counted.</summary>
    private static string Describe(object? value) => value switch
    {
        null => "None",
        OrderedDictionary<string, object?> => "{}",
        IReadOnlyList<object?> { Count: > LongestList } items => $"[{items.Count} values]",
        object?[] tuple => $"({string.Join(", ", tuple.Select(Quoted))})",
        List<object?> list => $"[{string.Join(", ", list.Select(Quoted))}]",
        ElementType element => $"torch.{element.Storage}",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Quoted(object? value) => value is string text ? text.Length <= LongestName ? $"'{text}'" : $"[{text.Length} characters]" : Describe(value);
}
