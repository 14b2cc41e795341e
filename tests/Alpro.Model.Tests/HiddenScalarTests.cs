using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

public class HiddenScalarTests
{
    private readonly HiddenScalars scalars = new();

    [Fact]
    public void The_model_calls_no_method_that_makes_a_scalar_out_of_sight() => Assert.Empty(scalars.CallsOf(typeof(AlproModel).Assembly));

    [Theory]
    [InlineData(typeof(Linear))]
    [InlineData(typeof(LayerNorm))]
    [InlineData(typeof(Embedding))]
    [InlineData(typeof(Conv2d))]
    [InlineData(typeof(Sequential))]
    [InlineData(typeof(ReLU))]
    public void Nor_do_the_layers_it_is_made_of(Type layer) =>
    Assert.False(scalars.AreMadeBy(layer.GetMethod("forward", [typeof(Tensor)])!));

    [Fact]
    public void The_known_ones_are_found()
    {
        Assert.True(scalars.AreMadeBy(typeof(Tensor).GetMethod("op_Addition", [typeof(Tensor), typeof(Tensor)])!));
        Assert.True(scalars.AreMadeBy(typeof(Tensor).GetMethod("add", [typeof(Scalar)])!));
        Assert.False(scalars.AreMadeBy(typeof(Tensor).GetMethod("add", [typeof(Tensor), typeof(Scalar)])!));
        Assert.False(scalars.AreMadeBy(typeof(Tensor).GetMethod("mul", [typeof(Scalar)])!));
    }
}
