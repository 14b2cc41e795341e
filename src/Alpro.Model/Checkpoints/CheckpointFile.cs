using Alpro.Model.Arithmetic;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>The formats of checkpoint files.</summary>
public enum CheckpointFormat
{
    /// <summary>A JSON header and raw tensors.</summary>
    Safetensors,

    /// <summary>PyTorch's zip archive of a pickle and raw storages (1.6 and later).</summary>
    TorchZip,

    /// <summary>PyTorch's older stream of pickles followed by raw storages.</summary>
    TorchStream,
}

/// <summary>
/// An open checkpoint file: what it holds is known, the tensors themselves are read when asked for, straight into their
/// destination. Beside the destination, reading takes at most a few megabytes whatever the file's size.
/// </summary>
public sealed class CheckpointFile : IDisposable
{
    /// <summary>How large a tensor may grow that repeats few stored elements by strides of zero.</summary>
    private const long LargestExpanded = 64 << 20;

    /// <summary>The most bytes that are read before they are converted or gathered.</summary>
    private const long LargestStage = 8 << 20;

    private readonly SafeFileHandle file;

    internal CheckpointFile(string path, SafeFileHandle file, CheckpointContent content)
    {
        Path = path;
        this.file = file;
        Format = content.Format;
        Tensors = content.Tensors;
        Metadata = content.Metadata;
        Length = RandomAccess.GetLength(file);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Its length in bytes.</summary>
    public long Length { get; }

    /// <summary>Its format.</summary>
    public CheckpointFormat Format { get; }

    /// <summary>Every tensor by name, in the file's order. Names of nested dictionaries are joined by '/'.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>Everything that is not a tensor, by name, in the file's order.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a checkpoint file; its format is told by its content. Nothing in the file is executed.</summary>
    /// <exception cref="CheckpointException">The file is not a checkpoint, is damaged, or names something that is not allowed.</exception>
    public static CheckpointFile Open(string path) => Open(path, Read);

    /// <summary>Reads one tensor into memory of its own, in C order.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its bytes are damaged.</exception>
    public Tensor Read(string name)
    {
        StoredTensor stored = Find(name);
        if (stored.Elements > Math.Max(Length, LargestExpanded) / stored.Run.Element.Size)
            throw new CheckpointException(Path, $"'{name}' claims {stored.Elements} elements, far more than the file has");
        using var scope = NewDisposeScope();
        Tensor tensor = empty(stored.Shape, stored.Run.Element.Type);
        ReadInto(name, tensor);
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Reads one tensor into an existing one of the same shape, converting the element type where they differ.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, its shape is another, or its bytes are damaged.</exception>
    public void ReadInto(string name, Tensor destination)
    {
        StoredTensor stored = Find(name);
        if (!stored.Shape.AsSpan().SequenceEqual(destination.shape))
            throw new CheckpointException(Path, $"'{name}' is {stored} and cannot be read into [{string.Join(", ", destination.shape)}]");
        Guarded(() => Copy(stored, destination));
    }

    /// <summary>Reads tensors by their names in the file; those that share storage there share it here too.</summary>
    /// <param name="names">Which; all by default.</param>
    /// <exception cref="CheckpointException">There is no such tensor, or its bytes are damaged.</exception>
    public IReadOnlyDictionary<string, Tensor> ReadAll(IEnumerable<string>? names = null)
    {
        var tensors = new OrderedDictionary<string, Tensor>();
        Guarded(() =>
        {
            using var scope = NewDisposeScope();
            var runs = new Dictionary<StoredRun, Tensor>();
            foreach (string name in names ?? Tensors.Keys)
            {
                StoredTensor stored = Find(name);
                if (!runs.TryGetValue(stored.Run, out Tensor? run))
                {
                    runs[stored.Run] = run = empty([stored.Run.Count], stored.Run.Element.Type);
                    Fill(stored.Run, 0, run, stored.Run.Bytes);
                }
                tensors[name] = run.as_strided(stored.Shape, stored.Strides, stored.Offset).MoveToOuterDisposeScope();
            }
        });
        return tensors;
    }

    /// <summary>Whether two tensors hold the same bytes, compared a piece at a time.</summary>
    /// <exception cref="CheckpointException">The bytes are damaged.</exception>
    public bool AreEqual(string first, string second)
    {
        StoredTensor a = Find(first), b = Find(second);
        if (a.Run == b.Run && a.Offset == b.Offset && a.Shape.AsSpan().SequenceEqual(b.Shape)
            && a.Strides.AsSpan().SequenceEqual(b.Strides)) return true;
        if (a.Run.Element != b.Run.Element || !a.Shape.AsSpan().SequenceEqual(b.Shape)) return false;
        if (!a.IsContiguous || !b.IsContiguous)
        {
            using var scope = NewDisposeScope();
            return Read(first).equal(Read(second)).all().item<bool>();
        }
        byte[] left = new byte[1 << 20], right = new byte[1 << 20];
        long bytes = a.Elements * a.Run.Element.Size, done = 0;
        bool equal = true;
        Guarded(() =>
        {
            for (; equal && done < bytes; done += left.Length)
            {
                int length = (int)Math.Min(left.Length, bytes - done);
                file.ReadExactly(left.AsSpan(0, length), a.Run.Position + a.Offset * a.Run.Element.Size + done);
                file.ReadExactly(right.AsSpan(0, length), b.Run.Position + b.Offset * b.Run.Element.Size + done);
                equal = left.AsSpan(0, length).SequenceEqual(right.AsSpan(0, length));
            }
        });
        return equal;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();

    internal static CheckpointFile Open(string path, Func<SafeFileHandle, CheckpointContent> read)
    {
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path);
            return new CheckpointFile(path, file, read(file));
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw new CheckpointException(path, exception is FileNotFoundException or DirectoryNotFoundException ? "no such file"
                : exception.Message, exception);
        }
    }

    private static CheckpointContent Read(SafeFileHandle file)
    {
        Span<byte> start = stackalloc byte[16];
        start = start[..RandomAccess.Read(file, start, 0)];
        if (start.StartsWith("PK\x03\x04"u8)) return TorchFile.ReadZip(file);
        if (start.StartsWith(TorchLegacyStream.Magic)) return TorchFile.ReadStream(file);
        if (start.Length > 8 && start[8] == '{') return Safetensors.Read(file);
        throw new InvalidDataException("it is no checkpoint (neither PyTorch nor safetensors)" + start switch
        {
            [] => ": it is empty",
            [(byte)'<', ..] => ": it looks like a web page; was it downloaded from the right address?",
            [(byte)'v', (byte)'e', (byte)'r', (byte)'s', (byte)'i', (byte)'o', (byte)'n', ..] =>
                ": it looks like a pointer to a large file that was not fetched (git lfs pull)",
            [0x80, <= 5, ..] => ": it is a pickle of something else",
            _ => "",
        });
    }

    private StoredTensor Find(string name) =>
        Tensors.GetValueOrDefault(name) ?? throw new CheckpointException(Path, $"has no tensor '{name}' among its {Tensors.Count}");

    private void Guarded(Action read)
    {
        try
        {
            read();
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw new CheckpointException(Path, exception.Message, exception);
        }
    }

    private void Copy(StoredTensor stored, Tensor destination)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        if (stored.IsContiguous && destination.is_contiguous() && destination.device_type == DeviceType.CPU
            && destination.dtype == stored.Run.Element.Type)
            Fill(stored.Run, stored.Offset * stored.Run.Element.Size, destination, stored.Elements * stored.Run.Element.Size);
        else if (stored.Elements > 0)
            Stage(stored, destination);
    }

    /// <summary>
    /// Copies through a small tensor of the stored type; what stretches over more of the file than that is halved until it does not.
    /// </summary>
    private void Stage(StoredTensor stored, Tensor destination)
    {
        using var scope = NewDisposeScope();
        if (stored.Extent * stored.Run.Element.Size <= LargestStage)
        {
            Tensor stage = empty([stored.Extent], stored.Run.Element.Type);
            Fill(stored.Run, stored.Offset * stored.Run.Element.Size, stage, stored.Extent * stored.Run.Element.Size);
            destination.copy_(stage.as_strided(stored.Shape, stored.Strides));
            return;
        }
        int widest = Enumerable.Range(0, stored.Shape.Length).MaxBy(d => (stored.Shape[d] - 1) * stored.Strides[d]);
        long size = stored.Shape[widest], half = size / 2;
        Stage(stored.Narrow(widest, 0, half), destination.narrow(widest, 0, half));
        Stage(stored.Narrow(widest, half, size - half), destination.narrow(widest, half, size - half));
    }

    private void Fill(StoredRun run, long start, Tensor destination, long bytes)
    {
        for (long done = 0; done < bytes;)
        {
            Span<byte> piece = TensorMemory.Bytes(destination, done, (int)Math.Min(TensorMemory.Piece, bytes - done));
            file.ReadExactly(piece, run.Position + start + done);
            run.Follow(start + done, piece);
            done += piece.Length;
        }
    }
}

/// <summary>What a reader of one format found in a file.</summary>
internal sealed record CheckpointContent(CheckpointFormat Format, OrderedDictionary<string, StoredTensor> Tensors,
    OrderedDictionary<string, string> Metadata);

internal static class FileReading
{
    /// <summary>Fills a span from a place in a file.</summary>
    /// <exception cref="InvalidDataException">The file ends before.</exception>
    public static void ReadExactly(this SafeFileHandle file, Span<byte> destination, long position)
    {
        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(file, destination, position);
            if (read == 0)
                throw new InvalidDataException($"the file ends at byte {position}, {destination.Length} bytes early: it is truncated");
            destination = destination[read..];
            position += read;
        }
    }
}
