using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// Reads a Python pickle as data. It is a small stack machine over the opcodes that <c>torch.save</c> writes. The only names it knows are
/// those of <see cref="_names"/>, each standing for a function below. So a file can ask for nothing else to be made or run. Its results are
/// null, bool, long, double, string, lists (<see cref="List{T}"/>), tuples (arrays), dictionaries
/// (<see cref="OrderedDictionary{TKey, TValue}"/>, the keys as text) and <see cref="StoredTensor"/>.
/// </summary>
/// <remarks>
/// Work and memory are bounded by the pickle's length. An instruction handles what the bytes before it put on the stack, each value once.
/// Only functions look into values, which a pickle may recall and hand to them again and again. So everything that functions are given is
/// counted, and may be no more than the bytes that were read.
/// </remarks>
/// <param name="input">The pickle.</param>
/// <param name="findRun">The run of a storage: its key, its type and its number of elements.</param>
internal sealed class RestrictedUnpickler(PickleInput input, Func<string, ElementType, long, StoredRun> findRun)
{
    private const int MostOperations = 1_000_000, LongestName = 1000;
    private static readonly object _mark = new();
    private readonly List<object?> stack = [];
    private readonly Dictionary<long, object?> memo = [];
    private long handed;

    /// <summary>A storage, or the part of one that older files call a view of it.</summary>
    private sealed record Storage(StoredRun Run, long Offset);

    /// <summary>Everything a pickle may name: functions, storage types, element types.</summary>
    private static readonly Dictionary<string, object> _names = new()
    {
        ["collections.OrderedDict"] = (Function)MakeDictionary,
        ["torch._utils._rebuild_tensor"] = (Function)MakeTensor,
        ["torch._utils._rebuild_tensor_v2"] = (Function)MakeTensor,
        ["torch._utils._rebuild_parameter"] = (Function)MakeParameter,
        ["torch.Size"] = (Function)MakeSize,
        ["torch.device"] = (Function)MakeDevice,
    };

    static RestrictedUnpickler()
    {
        foreach (ElementType element in ElementType.All)
        {
            _names[$"torch.{element.Storage}"] = element;
            _names[$"torch.{element.Name}"] = $"torch.{element.Name}";
        }
    }

    private delegate object? Function(object?[] arguments);

    /// <summary>Reads one pickle up to its end.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged, too large, or asks for something that is not allowed.</exception>
    public object? Load()
    {
        for (int operation = 0; operation < MostOperations; operation++)
        {
            byte code = input.ReadByte();
            if (code == '.') return Pop();
            Execute(code);
        }
        throw new InvalidDataException($"its pickled structure takes more than {MostOperations} operations");
    }

    private void Execute(byte code)
    {
        switch ((char)code)
        {
            case '\x80': ReadProtocol(); break;
            case '\x95': input.ReadUnsigned(8); break;                                                 // FRAME: only a hint
            case '(': stack.Add(_mark); break;
            case '0': Pop(); break;
            case '1': PopToMark(); break;
            case '2': stack.Add(Peek()); break;

            case 'N': stack.Add(null); break;
            case '\x88': stack.Add(true); break;
            case '\x89': stack.Add(false); break;
            case 'K': stack.Add((long)input.ReadByte()); break;
            case 'M': stack.Add((long)input.ReadUnsigned(2)); break;
            case 'J': stack.Add(input.ReadSigned(4)); break;
            case '\x8a': stack.Add(ReadLong(input.ReadByte())); break;
            case 'G': stack.Add(BitConverter.UInt64BitsToDouble(BinaryPrimitives.ReverseEndianness(input.ReadUnsigned(8)))); break;
            case 'X': stack.Add(input.ReadText(input.ReadUnsigned(4), Encoding.UTF8)); break;
            case '\x8c': stack.Add(input.ReadText(input.ReadByte(), Encoding.UTF8)); break;
            case '\x8d': stack.Add(input.ReadText(input.ReadUnsigned(8), Encoding.UTF8)); break;
            case 'U': stack.Add(input.ReadText(input.ReadByte(), Encoding.Latin1)); break;              // text of Python 2
            case 'T': stack.Add(input.ReadText(input.ReadUnsigned(4), Encoding.Latin1)); break;

            case ')': stack.Add(Array.Empty<object?>()); break;
            case '\x85': stack.Add(PopMany(1)); break;
            case '\x86': stack.Add(PopMany(2)); break;
            case '\x87': stack.Add(PopMany(3)); break;
            case 't': stack.Add(PopToMark()); break;
            case ']': stack.Add(new List<object?>()); break;
            case 'l': stack.Add(PopToMark().ToList()); break;
            case 'a': Append([Pop()]); break;
            case 'e': Append(PopToMark()); break;
            case '}': stack.Add(new OrderedDictionary<string, object?>()); break;
            case 'd': SetItems(PopToMark(), newDictionary: true); break;
            case 's': SetItems(PopMany(2), newDictionary: false); break;
            case 'u': SetItems(PopToMark(), newDictionary: false); break;

            case 'q': memo[input.ReadByte()] = Peek(); break;
            case 'r': memo[(long)input.ReadUnsigned(4)] = Peek(); break;
            case '\x94': memo[memo.Count] = Peek(); break;
            case 'h': Recall(input.ReadByte()); break;
            case 'j': Recall((long)input.ReadUnsigned(4)); break;

            case 'c': stack.Add(Resolve(input.ReadLine(), input.ReadLine())); break;
            case '\x93': ResolveFromStack(PopMany(2)); break;
            case 'R': Reduce(PopMany(2)); break;
            case 'b': Build(Pop()); break;
            case 'Q': stack.Add(FindStorage(Pop())); break;
            default: throw new InvalidDataException(
                $"byte 0x{code:x2} at {input.Position - 1} is no pickle instruction that a checkpoint may contain");
        }
    }

    private void ReadProtocol()
    {
        byte protocol = input.ReadByte();
        if (protocol is < 2 or > 5) throw new InvalidDataException($"pickle protocol {protocol} is not read");
    }

    private long ReadLong(byte bytes) =>
        bytes <= 8 ? input.ReadSigned(bytes) : throw new InvalidDataException(
        $"an integer of {bytes} bytes at {input.Position} is beyond 64 bits");

    private object? Peek() => stack.Count > 0 ? stack[^1] : throw Underflow();

    private object? Pop()
    {
        object? top = Peek();
        if (top == _mark) throw Underflow();
        stack.RemoveAt(stack.Count - 1);
        return top;
    }

    private object?[] PopMany(int count)
    {
        var items = new object?[count];
        for (int i = count - 1; i >= 0; i--) items[i] = Pop();
        return items;
    }

    private object?[] PopToMark()
    {
        int mark = stack.LastIndexOf(_mark);
        if (mark < 0) throw Underflow();
        object?[] items = [.. CollectionsMarshal.AsSpan(stack)[(mark + 1)..]];
        stack.RemoveRange(mark, stack.Count - mark);
        return items;
    }

    private void Append(object?[] items)
    {
        if (Peek() is not List<object?> list) throw new InvalidDataException("it appends to something that is not a list");
        list.AddRange(items);
    }

    private void SetItems(object?[] items, bool newDictionary)
    {
        if (newDictionary) stack.Add(new OrderedDictionary<string, object?>());
        if (Peek() is not OrderedDictionary<string, object?> dictionary || items.Length % 2 != 0)
            throw new InvalidDataException("it sets items of something that is not a dictionary");
        for (int i = 0; i < items.Length; i += 2) Set(dictionary, items[i], items[i + 1]);
    }

    /// <summary>Keys become text, as they are in names; that two keys become one is refused.</summary>
    private static void Set(OrderedDictionary<string, object?> dictionary, object? key, object? value)
    {
        if (key is not (null or string or long or double or bool))
            throw new InvalidDataException("a dictionary has a key that is neither text nor a number");
        string text = key is null ? "None" : Convert.ToString(key, CultureInfo.InvariantCulture)!;
        CheckName(text);
        if (!dictionary.TryAdd(text, value)) throw new InvalidDataException($"a dictionary has the key '{text}' twice");
    }

    private void Recall(long index) =>
        stack.Add(memo.TryGetValue(index, out object? value) ? value
        : throw new InvalidDataException($"it recalls value {index}, which it never stored"));

    private static object Resolve(string module, string name)
    {
        CheckName(module);
        CheckName(name);
        return _names.GetValueOrDefault($"{module}.{name}") ?? throw new InvalidDataException(
            $"its pickle asks for '{module}.{name}', which is not among the names a checkpoint may use. Nothing of it was run. "
            + "If you trust the file, save its state dict alone with PyTorch and use that.");
    }

    private void ResolveFromStack(object?[] parts) =>
        stack.Add(parts is [string module, string name] ? Resolve(module, name) : throw Unexpected("a name"));

    private void Reduce(object?[] call)
    {
        if (call is not [Function function, object?[] arguments]) throw Unexpected("a call");
        handed += arguments.Sum(argument => 1L + argument switch
        {
            IReadOnlyCollection<object?> values => values.Count,
            string text => text.Length,
            _ => 0,
        });
        if (handed > input.Taken)
            throw new InvalidDataException("it hands the same values to its functions again and again, more of them than it has bytes");
        stack.Add(function(arguments));
    }

    /// <summary>A state dict carries its modules' version numbers as an attribute; they change nothing here.</summary>
    private void Build(object? state)
    {
        if (Peek() is not OrderedDictionary<string, object?> || state is not OrderedDictionary<string, object?>)
            throw Unexpected("an attribute");
    }

    private Storage FindStorage(object? id)
    {
        if (id is not object?[] parts || parts is not ["storage", ElementType element, string key, _, long count and >= 0, ..])
            throw Unexpected("a storage");
        CheckName(key);
        if (count > long.MaxValue / element.Size) throw new InvalidDataException($"storage '{key}' claims {count} elements");
        StoredRun run = findRun(key, element, count);
        if (run.Element != element || run.Count != count) throw new InvalidDataException($"storage '{key}' is declared twice, differently");
        return parts.Length < 6 || parts[5] is null ? new Storage(run, 0)
            : parts[5] is object?[] view && view is [string, long offset and >= 0, long] && offset <= count ? new Storage(run, offset)
            : throw Unexpected("a storage");
    }

    private static object MakeDictionary(object?[] arguments)
    {
        var dictionary = new OrderedDictionary<string, object?>();
        if (arguments is []) return dictionary;
        if (arguments is not [List<object?> pairs]) throw Unexpected("an OrderedDict");
        foreach (object? pair in pairs)
        {
            object?[] entry = pair switch { object?[] { Length: 2 } tuple => tuple, List<object?> { Count: 2 } list => [.. list], _ =>
                throw Unexpected("an OrderedDict") };
            Set(dictionary, entry[0], entry[1]);
        }
        return dictionary;
    }

    private static object MakeTensor(object?[] arguments) =>
        arguments is [Storage storage, long offset and >= 0, object?[] shape, object?[] strides, ..]
            ? StoredTensor.View(storage.Run, storage.Offset + offset, Numbers(shape), Numbers(strides))
            : throw Unexpected("a tensor");

    private static object MakeParameter(object?[] arguments) => arguments is [StoredTensor tensor, ..] ? tensor
        : throw Unexpected("a parameter");

    private static object MakeSize(object?[] arguments) => arguments is [object?[] sizes] ? sizes : throw Unexpected("a size");

    private static object MakeDevice(object?[] arguments) => arguments is [string] or [string, long] ? string.Join(':', arguments)
        : throw Unexpected("a device");

    private static long[] Numbers(object?[] tuple) =>
        [.. tuple.Select(item => item is long number ? number : throw Unexpected("a tensor's shape"))];

    /// <summary>Names are hashed and quoted each time they are recalled, so they are short.</summary>
    private static void CheckName(string name)
    {
        if (name.Length > LongestName)
            throw new InvalidDataException($"it has a name of {name.Length} characters, more than {LongestName}");
    }

    private static InvalidDataException Unexpected(string what) => new($"its pickle describes {what} in a way that PyTorch does not");

    private static InvalidDataException Underflow() => new("its pickle takes more values than it gives: it is damaged");
}
