using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

/// <summary>
/// TorchSharp makes scalars inside some of its methods (<c>a + b</c> makes the factor of b) that nothing roots while native code reads
/// them. The instructions of the assemblies say which methods those are, and who calls them.
/// </summary>
internal sealed class HiddenScalars
{
    private static readonly Dictionary<short, OpCode> _opCodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    private readonly Dictionary<MethodBase, bool> makesScalars = [];

    /// <summary>Every call of an assembly to a method of TorchSharp that makes one.</summary>
    public IEnumerable<string> CallsOf(Assembly assembly) => (
        from type in assembly.GetTypes()
        from caller in Methods(type)
        from callee in Calls(caller)
        where callee.DeclaringType?.Assembly == typeof(Tensor).Assembly && callee.DeclaringType != typeof(Scalar) && AreMadeBy(callee)
        select $"{caller.DeclaringType!.Name}.{caller.Name} calls {callee.DeclaringType!.Name}.{callee}").Distinct();

    /// <summary>Whether a method of TorchSharp makes one, directly or through another.</summary>
    public bool AreMadeBy(MethodBase method)
    {
        if (makesScalars.TryGetValue(method, out bool known)) return known;
        makesScalars[method] = false;
        return makesScalars[method] = Calls(method).Any(callee =>
            callee.DeclaringType == typeof(Scalar) && callee.Name == "op_Implicit"
            || callee.DeclaringType?.Assembly == typeof(Tensor).Assembly && callee.DeclaringType != typeof(Scalar) && AreMadeBy(callee));
    }

    private static IEnumerable<MethodBase> Methods(Type type)
    {
        const BindingFlags All =
            BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        return type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All));
    }

    private static IEnumerable<MethodBase> Calls(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? typeArguments = method.DeclaringType?.GetGenericArguments(), methodArguments = method.IsGenericMethod
            ? method.GetGenericArguments() : null;
        for (int position = 0; position < code.Length;)
        {
            short value = code[position++];
            if (value == 0xfe) value = (short)(0xfe00 | code[position++]);
            OpCode instruction = _opCodes[value];
            if (instruction.OperandType == OperandType.InlineMethod && method.Module.ResolveMethod(BitConverter.ToInt32(code, position),
                typeArguments, methodArguments) is { } callee)
                yield return callee;
            position += instruction.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, position),
                _ => 4,
            };
        }
    }
}
