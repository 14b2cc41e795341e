using System.Globalization;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// PyTorch's <c>.pt</c> files, without Python and without running anything a file contains. Both formats are read, the zip of
/// 1.6 and later and the stream before it; the zip is written.
/// </summary>
public static class TorchFile
{
    private const int Deepest = 64, LongestName = 1000, LongestList = 64, EntryCost = 32, CostPerByte = 32, LeastBytes = 4096;

    /// <summary>
    /// Writes what <c>torch.load(path, weights_only=True)</c> reads. The file appears under its name only when it is complete.
    /// </summary>
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

    internal static CheckpointContent ReadStream(SafeFileHandle file) => Flatten(CheckpointFormat.TorchStream,
        TorchLegacyStream.Read(file));

    /// <summary>
    /// Gives every tensor and every plain value of a nested structure a name of its own. One value may be in many places of it. So what is
    /// looked at and written down may be no more than some times the bytes that describe the structure.
    /// </summary>
    private static CheckpointContent Flatten(CheckpointFormat format, (object? Root, long Bytes) structure)
    {
        var content = new CheckpointContent(format, [], []);
        long left = CostPerByte * (structure.Bytes + LeastBytes);
        Visit("", structure.Root, 0);
        return content;

        void Visit(string name, object? value, int depth)
        {
            if (depth > Deepest || name.Length > LongestName)
                throw new InvalidDataException($"it is nested more than {Deepest} deep, or names are longer than {LongestName}");
            Spend(EntryCost + name.Length);
            if (value is IReadOnlyList<object?> list) Spend(list.Sum(item => 1L + (item is object?[] tuple ? tuple.Length : 0)));
            switch (value)
            {
                case OrderedDictionary<string, object?> { Count: > 0 } dictionary:
                    foreach ((string key, object? item) in dictionary) Visit(name.Length == 0 ? key : $"{name}/{key}", item, depth + 1);
                    break;
                case IReadOnlyList<object?> items when !items.All(IsPlain):
                    for (int i = 0; i < items.Count; i++) Visit(name.Length == 0 ? $"{i}" : $"{name}/{i}", items[i], depth + 1);
                    break;
                case StoredTensor tensor:
                    if (!content.Tensors.TryAdd(name.Length == 0 ? "tensor" : name, tensor))
                        throw new InvalidDataException($"two of its tensors are called '{name}'");
                    break;
                default:
                    string text = Describe(value);
                    Spend(text.Length);
                    if (!content.Metadata.TryAdd(name.Length == 0 ? "value" : name, text))
                        throw new InvalidDataException($"two of its values are called '{name}'");
                    break;
            }
        }

        void Spend(long some)
        {
            if ((left -= some) < 0)
                throw new InvalidDataException(
                    $"it has more entries, or longer ones, than {structure.Bytes} bytes describe: the same values are in it again and "
                    + "again");
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

    private static string Quoted(object? value) => value is string text ? text.Length <= LongestName ? $"'{text}'"
        : $"[{text.Length} characters]" : Describe(value);
}
