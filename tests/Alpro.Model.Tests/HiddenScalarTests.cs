using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

/// <summary>
/// TorchSharp makes scalars inside some of its methods (<c>a + b</c> makes the factor of b) that nothing roots while native code reads them.
/// The instructions of the assemblies say which methods those are, and who calls them.
/// </summary>
public class HiddenScalarTests
{
    private static readonly Dictionary<short, OpCode> OpCodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    private readonly Dictionary<MethodBase, bool> makesScalars = [];

    [Fact]
    public void The_model_calls_no_method_that_makes_a_scalar_out_of_sight()
    {
        var calls = from type in typeof(AlproModel).Assembly.GetTypes()
                    from caller in Methods(type)
                    from callee in Calls(caller)
                    where callee.DeclaringType?.Assembly == typeof(Tensor).Assembly && callee.DeclaringType != typeof(Scalar) && MakesScalars(callee)
                    select $"{caller.DeclaringType!.Name}.{caller.Name} calls {callee.DeclaringType!.Name}.{callee}";
        Assert.Empty(calls.Distinct());
    }

    [Theory]
    [InlineData(typeof(Linear))]
    [InlineData(typeof(LayerNorm))]
    [InlineData(typeof(Embedding))]
    [InlineData(typeof(Conv2d))]
    [InlineData(typeof(Sequential))]
    [InlineData(typeof(ReLU))]
    public void Nor_do_the_layers_it_is_made_of(Type layer) => Assert.False(MakesScalars(layer.GetMethod("forward", [typeof(Tensor)])!));

    [Fact]
    public void The_known_ones_are_found()
    {
        Assert.True(MakesScalars(typeof(Tensor).GetMethod("op_Addition", [typeof(Tensor), typeof(Tensor)])!));
        Assert.True(MakesScalars(typeof(Tensor).GetMethod("add", [typeof(Scalar)])!));
        Assert.False(MakesScalars(typeof(Tensor).GetMethod("add", [typeof(Tensor), typeof(Scalar)])!));
        Assert.False(MakesScalars(typeof(Tensor).GetMethod("mul", [typeof(Scalar)])!));
    }

    // Directly, or through other methods of TorchSharp.
    private bool MakesScalars(MethodBase method)
    {
        if (makesScalars.TryGetValue(method, out bool known)) return known;
        makesScalars[method] = false;
        return makesScalars[method] = Calls(method).Any(callee =>
            callee.DeclaringType == typeof(Scalar) && callee.Name == "op_Implicit"
            || callee.DeclaringType?.Assembly == typeof(Tensor).Assembly && callee.DeclaringType != typeof(Scalar) && MakesScalars(callee));
    }

    private static IEnumerable<MethodBase> Methods(Type type)
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        return type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All));
    }

    private static IEnumerable<MethodBase> Calls(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? typeArguments = method.DeclaringType?.GetGenericArguments(), methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (int position = 0; position < code.Length;)
        {
            short value = code[position++];
            if (value == 0xfe) value = (short)(0xfe00 | code[position++]);
            OpCode instruction = OpCodes[value];
            if (instruction.OperandType == OperandType.InlineMethod && method.Module.ResolveMethod(BitConverter.ToInt32(code, position), typeArguments, methodArguments) is { } callee)
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
