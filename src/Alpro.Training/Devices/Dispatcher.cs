using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>
/// Operators of libtorch that TorchSharp does not expose, called by name through the C interface that libtorch exports. Arguments lie on a
/// stack of 64-bit words in the order of the operator's schema; the operator owns the tensors and lists it is given.
/// </summary>
internal static unsafe partial class Dispatcher
{
    private const string Torch = "torch_cpu";

    /// <summary>An optional argument that is not given.</summary>
    public const ulong None = 0;

    /// <summary>A tensor.</summary>
    public static ulong Of(Tensor tensor)
    {
        Check(NewTensorHandle(tensor.Handle, out nint handle));
        GC.KeepAlive(tensor);
        return (ulong)handle;
    }

    /// <summary>An optional tensor that is given. The operator frees the word that holds it.</summary>
    public static ulong Optional(Tensor tensor)
    {
        var word = (ulong*)NativeMemory.Alloc(sizeof(ulong));
        *word = Of(tensor);
        return (ulong)word;
    }

    /// <summary>A list of tensors.</summary>
    public static ulong List(params ReadOnlySpan<Tensor> tensors)
    {
        Check(NewList((nuint)tensors.Length, out nint list));
        foreach (Tensor tensor in tensors) Check(ListAdd(list, Of(tensor)));
        return (ulong)list;
    }

    /// <summary>A 64-bit float.</summary>
    public static ulong Of(double number) => BitConverter.DoubleToUInt64Bits(number);

    /// <summary>A truth value.</summary>
    public static ulong Of(bool value) => value ? 1UL : 0;

    /// <summary>Calls an operator.</summary>
    /// <param name="name">Its name, <c>aten::...</c>.</param>
    /// <param name="overload">Its overload, empty for the plain one.</param>
    /// <param name="arguments">Its arguments; results take their place.</param>
    /// <exception cref="InvalidOperationException">The operator failed; libtorch has written why to standard error.</exception>
    public static void Call(string name, string overload, Span<ulong> arguments)
    {
        fixed (ulong* stack = arguments)
            if (CallDispatcher(name, overload, stack) != 0) throw new InvalidOperationException($"libtorch's {name} failed");
    }

    private static void Check(int result)
    {
        if (result != 0) throw new InvalidOperationException("libtorch could not take an argument");
    }

    [LibraryImport(Torch, EntryPoint = "aoti_torch_call_dispatcher", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CallDispatcher(string name, string overload, ulong* stack);

    [LibraryImport(Torch, EntryPoint = "aoti_torch_new_tensor_handle")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NewTensorHandle(nint tensor, out nint handle);

    [LibraryImport(Torch, EntryPoint = "torch_new_list_reserve_size")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NewList(nuint length, out nint list);

    [LibraryImport(Torch, EntryPoint = "torch_list_push_back")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ListAdd(nint list, ulong element);
}
