using System.Buffers.Binary;
using System.Text.Json;
using Alpro.Model.Arithmetic;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. The header has the type, shape and byte
/// range of every tensor. The tensors' bytes are little-endian, in C order, without holes or overlaps.
/// </summary>
public static class Safetensors
{
    private const int MaxHeaderBytes = 100_000_000;
    private const string MetadataName = "__metadata__";

    /// <summary>Opens a safetensors file.</summary>
    /// <exception cref="CheckpointException">The file breaks a rule of the format.</exception>
    public static CheckpointFile Open(string path) => CheckpointFile.Open(path, Read);

    /// <summary>Whether a file's name says that it is of this format.</summary>
    public static bool IsName(string path) => path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads every tensor of a safetensors file into memory.</summary>
    /// <exception cref="CheckpointException">The file breaks a rule of the format.</exception>
    public static IReadOnlyDictionary<string, Tensor> Load(string path)
    {
        using CheckpointFile file = Open(path);
        return file.ReadAll();
    }

    /// <summary>Writes tensors. The file appears under its name only when it is complete.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="tensors">Tensors by name. Those that share memory are written once each: the format cannot share.</param>
    /// <param name="metadata">Free text by name.</param>
    /// <exception cref="CheckpointException">A tensor's type has no code in the format.</exception>
    public static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IReadOnlyDictionary<string, string>? metadata = null) =>
        WholeFile.Write(path, stream => Write(stream, path, tensors, metadata));

    /// <summary>Writes tensors to a stream; the bytes depend on the content alone.</summary>
    /// <param name="stream">Receives the file.</param>
    /// <param name="path">The file's name, for messages.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="metadata">Free text by name.</param>
    /// <exception cref="CheckpointException">A tensor's type has no code in the format.</exception>
    public static void Write(Stream stream, string path, IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        // Widest elements first, so that every tensor is aligned to its element size; then by name, so that equal content gives equal
        // bytes.
        var ordered = tensors.Select(entry => (Name: entry.Key, Tensor: entry.Value, Element: ElementType.Of(entry.Value.dtype)))
            .OrderByDescending(entry => entry.Element.Size).ThenBy(entry => entry.Name, StringComparer.Ordinal).ToList();
        var header = new MemoryStream();
        header.Write(stackalloc byte[8]);
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(MetadataName);
                foreach ((string name, string text) in metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal)) json.WriteString(name,
                    text);
                json.WriteEndObject();
            }
            long position = 0;
            foreach ((string name, Tensor tensor, ElementType element) in ordered)
            {
                string code = element.Safetensors ?? throw new CheckpointException(path,
                    $"'{name}' is {element.Name}, which safetensors cannot hold");
                json.WriteStartObject(name);
                json.WriteString("dtype", code);
                WriteNumbers(json, "shape", tensor.shape);
                WriteNumbers(json, "data_offsets", [position, position += tensor.numel() * element.Size]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (header.Length % 8 != 0) header.WriteByte((byte)' ');
        BinaryPrimitives.WriteInt64LittleEndian(header.GetBuffer(), header.Length - 8);

        header.WriteTo(stream);
        foreach ((_, Tensor tensor, _) in ordered) TensorMemory.ForEachPiece(tensor, stream.Write);
    }

    /// <summary>Reads and checks a header.</summary>
    /// <exception cref="InvalidDataException">The file breaks a rule of the format.</exception>
    internal static CheckpointContent Read(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        if (length < 8) throw new InvalidDataException($"the file has {length} bytes: no safetensors header");
        Span<byte> size = stackalloc byte[8];
        file.ReadExactly(size, 0);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(size);
        if (headerBytes > MaxHeaderBytes)
            throw new InvalidDataException($"the header claims {headerBytes} bytes, more than the {MaxHeaderBytes} the format allows");
        if (headerBytes > (ulong)(length - 8))
            throw new InvalidDataException($"the header claims {headerBytes} bytes of a file of {length}: it is truncated");
        byte[] header = new byte[headerBytes];
        file.ReadExactly(header, 8);
        if (header is not [(byte)'{', ..]) throw new InvalidDataException("the header does not begin with '{'");

        var content = new CheckpointContent(CheckpointFormat.Safetensors, [], []);
        try
        {
            using JsonDocument json = JsonDocument.Parse(header,
                new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            foreach (JsonProperty entry in json.RootElement.EnumerateObject())
            {
                if (entry.Name != MetadataName) content.Tensors.Add(entry.Name, ReadEntry(entry));
                else foreach (JsonProperty item in entry.Value.EnumerateObject())
                    content.Metadata.Add(item.Name, item.Value.GetString() ?? "");
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException
            or FormatException)
        {
            throw new InvalidDataException($"the header is not what the format asks for: {exception.Message}", exception);
        }
        CheckRanges(content.Tensors.Values, length - 8 - (long)headerBytes);
        foreach (StoredTensor tensor in content.Tensors.Values) tensor.Run.Position += 8 + (long)headerBytes;
        return content;
    }

    private static StoredTensor ReadEntry(JsonProperty entry)
    {
        string code = entry.Value.GetProperty("dtype").GetString() ?? "null";
        ElementType element = ElementType.All.FirstOrDefault(known => known.Safetensors == code)
            ?? throw new InvalidDataException($"'{entry.Name}' has the type '{code}', which is not known here");
        long[] shape = ReadNumbers(entry.Value.GetProperty("shape"));
        if (ReadNumbers(entry.Value.GetProperty("data_offsets")) is not [>= 0 and long start, long end] || end < start
            || (end - start) % element.Size != 0)
            throw new InvalidDataException($"'{entry.Name}' has a byte range that is none");
        return StoredTensor.Whole(new StoredRun(entry.Name, element, (end - start) / element.Size) { Position = start }, shape);
    }

    private static void CheckRanges(IEnumerable<StoredTensor> tensors, long available)
    {
        long expected = 0;
        foreach (StoredRun run in tensors.Select(tensor => tensor.Run).OrderBy(run => run.Position).ThenBy(run => run.Bytes))
        {
            if (run.Position < expected)
                throw new InvalidDataException($"'{run.Key}' begins at byte {run.Position}, inside another tensor that ends at {expected}");
            if (run.Position > expected)
                throw new InvalidDataException($"{run.Position - expected} bytes before '{run.Key}' belong to no tensor");
            expected += run.Bytes;
        }
        if (expected > available)
            throw new InvalidDataException($"its tensors need {expected} bytes, {available} are there: it is truncated");
        if (expected < available) throw new InvalidDataException($"{available - expected} bytes at the end belong to no tensor");
    }

    private static long[] ReadNumbers(JsonElement array) => [.. array.EnumerateArray().Select(item => item.GetInt64())];

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
