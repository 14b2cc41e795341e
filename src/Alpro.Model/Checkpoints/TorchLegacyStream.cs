using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// PyTorch's format before 1.6: five pickles in a row, then for each storage's key the number of elements and the elements. The pickles are
/// a magic number, the protocol, facts on the writing machine, the structure, and the keys of the storages.
/// </summary>
internal static class TorchLegacyStream
{
    private const long Protocol = 1001;

    /// <summary>How every file begins: pickle protocol 2 and the magic number.</summary>
    public static ReadOnlySpan<byte> Magic => [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

    /// <summary>Reads the structure, and how many bytes describe it.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static (object? Root, long Bytes) Read(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        var input = new PickleInput(file, Magic.Length, length);
        if (Plain(input) is not Protocol) throw new InvalidDataException($"it is not of version {Protocol} of PyTorch's stream format");
        if (Plain(input) is not OrderedDictionary<string, object?> machine || machine.GetValueOrDefault("little_endian") is not true)
            throw new InvalidDataException("its numbers are big-endian, which is not read");

        var runs = new Dictionary<string, StoredRun>();
        object? root = new RestrictedUnpickler(input, (key, element, count) =>
            runs.TryGetValue(key, out StoredRun? known) ? known : runs[key] = new StoredRun(key, element, count)).Load();
        if (Plain(input) is not List<object?> keys) throw new InvalidDataException("the list of its storages is missing");

        long position = input.Position;
        Span<byte> header = stackalloc byte[8];
        foreach (object? key in keys)
        {
            if (key is not string name || !runs.Remove(name, out StoredRun? run))
                throw new InvalidDataException($"it lists storage '{key}', which its structure does not use or which is listed twice");
            file.ReadExactly(header, position);
            long count = BinaryPrimitives.ReadInt64LittleEndian(header);
            if (count != run.Count)
                throw new InvalidDataException($"storage '{name}' has {count} elements, but its structure says {run.Count}");
            run.Position = position + header.Length;
            if (run.Bytes > length - run.Position)
                throw new InvalidDataException(
                    $"storage '{name}' takes {run.Bytes} bytes, {length - run.Position} are left: it is truncated");
            position = run.Position + run.Bytes;
        }
        if (runs.Count > 0) throw new InvalidDataException($"the bytes of storage '{runs.Keys.First()}' are missing");
        return (root, input.Taken);
    }

    private static object? Plain(PickleInput input) =>
        new RestrictedUnpickler(input, (key, _, _) => throw new InvalidDataException($"storage '{key}' is outside its structure")).Load();
}
