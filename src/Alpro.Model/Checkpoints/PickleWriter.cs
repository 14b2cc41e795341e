using System.Buffers;
using System.Buffers.Binary;
using System.Collections;
using System.Text;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>Writes a structure as a pickle of protocol 2 in which every tensor is a view of a storage written beside it.</summary>
internal sealed class PickleWriter
{
    private readonly ArrayBufferWriter<byte> pickle = new();
    private readonly StorageLayout layout;

    private PickleWriter(StorageLayout layout) => this.layout = layout;

    /// <summary>The pickle of a structure and the storages of its tensors. Inside a dispose scope that outlives the storages.</summary>
    /// <exception cref="CheckpointException">A value is of a kind that has no place in a checkpoint.</exception>
    public static (byte[] Pickle, List<(string Key, Tensor Elements)> Storages) Write(object? content)
    {
        var writer = new PickleWriter(new StorageLayout(Tensors(content)));
        writer.Code('\x80');
        writer.Code('\x02');
        writer.Value(content);
        writer.Code('.');
        return (writer.pickle.WrittenSpan.ToArray(), writer.layout.Storages);
    }

    private static IEnumerable<Tensor> Tensors(object? value) => value switch
    {
        Tensor tensor => [tensor],
        IDictionary dictionary => dictionary.Values.Cast<object?>().SelectMany(Tensors),
        IList list => list.Cast<object?>().SelectMany(Tensors),
        _ => [],
    };

    private void Value(object? value)
    {
        switch (value)
        {
            case null: Code('N'); break;
            case bool flag: Code(flag ? '\x88' : '\x89'); break;
            case int number: Number(number); break;
            case long number: Number(number); break;
            case double number:
                Span<byte> bytes = stackalloc byte[9];
                bytes[0] = (byte)'G';
                BinaryPrimitives.WriteDoubleBigEndian(bytes[1..], number);
                pickle.Write(bytes);
                break;
            case string text: Text(text); break;
            case Tensor tensor: Tensor(tensor); break;
            case IDictionary dictionary:
                Code('}');
                Code('(');
                foreach (DictionaryEntry entry in dictionary)
                {
                    Value(entry.Key);
                    Value(entry.Value);
                }
                Code('u');
                break;
            case IList list:
                Code(']');
                Code('(');
                foreach (object? item in list) Value(item);
                Code('e');
                break;
            default: throw new CheckpointException($"a value of type {value.GetType()} has no place in a checkpoint");
        }
    }

    private void Tensor(Tensor tensor)
    {
        StorageView view = layout[tensor];
        Name("torch._utils", "_rebuild_tensor_v2");
        Code('(');
        Code('(');
        Text("storage");
        Name("torch", ElementType.Of(tensor.dtype).Storage);
        Text(view.Key);
        Text("cpu");
        Number(view.Count);
        Code('t');
        Code('Q');
        Number(view.Offset);
        Numbers(tensor.shape);
        Numbers(view.Strides);
        Code('\x89');                                                       // requires_grad
        Name("collections", "OrderedDict");                                 // hooks: none
        Code(')');
        Code('R');
        Code('t');
        Code('R');
    }

    private void Code(char code) => pickle.Write([(byte)code]);

    private void Name(string module, string name) => pickle.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private void Numbers(long[] numbers)
    {
        Code('(');
        foreach (long number in numbers) Number(number);
        Code('t');
    }

    private void Number(long number)
    {
        bool small = number is >= int.MinValue and <= int.MaxValue;
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        pickle.Write(small ? "J"u8 : [0x8a, 8]);
        pickle.Write(bytes[..(small ? 4 : 8)]);
    }

    private void Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        Code('X');
        pickle.Write(length);
        pickle.Write(bytes);
    }
}
