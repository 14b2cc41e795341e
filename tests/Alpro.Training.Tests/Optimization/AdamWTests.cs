using Alpro.Model.Arithmetic;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using AdamW = Alpro.Training.Optimization.AdamW;

namespace Alpro.Training.Tests.Optimization;

public sealed class AdamWTests
{
    /// <summary>The same update in double precision, written out parameter by parameter.</summary>
    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.1, 2)]
    public void Fifty_clipped_steps_follow_a_double_precision_reference(double weightDecay, int threads)
    {
        manual_seed(1);
        using Linear layer = nn.Linear(300, 257);
        using var flat = new FlatParameters(layer);
        var config = new OptimizerConfig { LearningRate = 1e-2, WeightDecay = weightDecay };
        using var optimizer = new AdamW(flat, config, threads);

        double[] values = Doubles(flat.Values), first = new double[values.Length], second = new double[values.Length];
        for (int step = 1; step <= 50; step++)
        {
            using var scope = NewDisposeScope();
            using (no_grad()) flat.Gradients.copy_(randn(flat.Length));
            double[] gradients = Doubles(flat.Gradients);
            double norm = Math.Sqrt(gradients.Sum(gradient => gradient * gradient)), clip = AdamW.ClipScale(norm, 5);
            Assert.Equal(norm, optimizer.GradientNorm().item<double>(), 1e-9 * norm);
            optimizer.Step(config.LearningRate, clip);
            double size = config.LearningRate * Math.Sqrt(1 - Math.Pow(config.Beta2, step)) / (1 - Math.Pow(config.Beta1, step));
            for (int i = 0; i < values.Length; i++)
            {
                double gradient = gradients[i] * clip;
                first[i] = config.Beta1 * first[i] + (1 - config.Beta1) * gradient;
                second[i] = config.Beta2 * second[i] + (1 - config.Beta2) * gradient * gradient;
                values[i] -= size * first[i] / (Math.Sqrt(second[i]) + config.Epsilon);
                if (i < flat.DecayingLength) values[i] *= 1 - config.LearningRate * weightDecay;
            }
        }
        double[] result = Doubles(flat.Values);
        double error = Math.Sqrt(result.Zip(values, (a, b) => (a - b) * (a - b)).Sum() / values.Sum(value => value * value));
        Assert.InRange(error, 0, 1e-6);
        Assert.All(Doubles(flat.Gradients), gradient => Assert.Equal(0, gradient));
    }

    [Theory, InlineData(0.0), InlineData(0.1)]
    public void An_update_decided_on_the_device_is_the_same_update(double weightDecay)
    {
        using Linear one = nn.Linear(64, 48), other = nn.Linear(64, 48);
        using (no_grad()) foreach ((Parameter a, Parameter b) in one.parameters().Zip(other.parameters())) b.copy_(a);
        using FlatParameters left = new(one), right = new(other);
        var config = new OptimizerConfig { WeightDecay = weightDecay };
        using AdamW vectorised = new(left, config), fused = new(right, config);
        for (int step = 0; step < 5; step++)
        {
            using var scope = NewDisposeScope();
            using (no_grad()) right.Gradients.copy_(left.Gradients.copy_(randn(left.Length)));
            double largest = step % 2 == 0 ? 3 : 1e6;                                   // clipped, and not
            if (step == 3) vectorised.Updates = fused.Updates = 100;
            vectorised.Step(1e-2, AdamW.ClipScale(vectorised.GradientNorm().item<double>(), largest));
            fused.StepOnDevice(1e-2, fused.GradientNorm(), largest, tensor(1.0));
            fused.Confirm();
            Assert.Equal(vectorised.Updates, fused.Updates);
        }
        Assert.True(allclose(left.Values, right.Values, 1e-5, 1e-7));
        Assert.True(allclose(vectorised.SecondMoment, fused.SecondMoment, 1e-5, 1e-9));
        Assert.Equal(0, right.Gradients.abs().max().item<float>());
    }

    [Fact]
    public void An_update_that_is_not_sound_changes_nothing_and_is_not_counted()
    {
        using Linear layer = nn.Linear(8, 8), twin = nn.Linear(8, 8);
        using (no_grad()) foreach ((Parameter a, Parameter b) in layer.parameters().Zip(twin.parameters())) b.copy_(a);
        using FlatParameters flat = new(layer), never = new(twin);
        using AdamW optimizer = new(flat, new OptimizerConfig { WeightDecay = 0.1 }), other = new(never,
            new OptimizerConfig { WeightDecay = 0.1 });
        using var scope = NewDisposeScope();
        Tensor gradients = randn(flat.Length);
        Step(optimizer, flat, gradients, 1);
        Step(other, never, gradients, 1);
        Step(optimizer, flat, full_like(gradients, double.NaN), 0);
        Assert.Equal(Doubles(never.Values), Doubles(flat.Values));
        Assert.Equal(0, flat.Gradients.abs().max().item<float>());
        Step(optimizer, flat, gradients, 1);
        Step(other, never, gradients, 1);
        Assert.Equal(Doubles(never.Values), Doubles(flat.Values));

        static void Step(AdamW optimizer, FlatParameters flat, Tensor gradients, double sound)
        {
            using (no_grad()) flat.Gradients.copy_(gradients);
            optimizer.StepOnDevice(1e-2, optimizer.GradientNorm(), 5, tensor(sound));
        }
    }

    [Fact]
    public void Threads_do_not_change_a_bit()
    {
        double[] Run(int threads)
        {
            manual_seed(3);
            using Linear layer = nn.Linear(1000, 300);
            using var flat = new FlatParameters(layer);
            using var optimizer = new AdamW(flat, new OptimizerConfig(), threads);
            using var scope = NewDisposeScope();
            using (no_grad()) flat.Gradients.copy_(randn(flat.Length));
            optimizer.Step(1e-3, AdamW.ClipScale(optimizer.GradientNorm().item<double>(), 1));
            return Doubles(flat.Values);
        }
        Assert.Equal(Run(1), Run(3));
    }

    [Fact]
    public void Parameters_and_gradients_stay_views_through_training()
    {
        using var model = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3));
        using var flat = new FlatParameters(model);
        using var optimizer = new AdamW(flat, new OptimizerConfig());
        Assert.Equal(["0.weight", "2.weight", "0.bias", "1.weight", "1.bias", "2.bias"], flat.Sections.Select(section => section.Name));
        Assert.Equal(64 + 32, flat.DecayingLength);
        for (int step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            model.call(randn(5, 8)).sum().backward();
            Assert.True(optimizer.GradientNorm().item<double>() > 0);
            optimizer.Step(1e-3);
        }
        Assert.True(flat.IsIntact());
        model.zero_grad();
        Assert.False(flat.IsIntact());
    }

    [Fact]
    public void Weights_in_bfloat16_follow_those_in_32_bits()
    {
        manual_seed(4);
        using var model = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3));
        using var flat = new FlatParameters(model, halves: true);
        using var optimizer = new AdamW(flat, new OptimizerConfig());
        Assert.Equal(["0.weight", "2.weight", "0.bias", "1.weight", "1.bias", "2.bias"], flat.Sections.Select(section => section.Name));
        Assert.Equal(64 + 32, flat.HalfLength);
        Dictionary<string, ScalarType> types = model.named_parameters().ToDictionary(named => named.name, named => named.parameter.dtype);
        Assert.Equal((ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float32),
            (types["2.weight"], types["2.bias"], types["1.weight"]));
        for (int step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            using (Autocast.Set(DeviceType.CPU, on: true)) model.call(randn(5, 8)).sum().backward();
            flat.Collect();
            Assert.NotEqual(0, flat.Gradients.narrow(0, 0, 64).abs().sum().item<float>());
            double[] before = Doubles(flat.Values);
            optimizer.ClippedStep(1e-3, 1);
            Assert.NotEqual(before, Doubles(flat.Values));
            foreach ((string name, Tensor weight) in model.state_dict())
                Assert.Equal(Doubles(FlatParameters.View(flat.Values, flat.SectionOf(weight)!).to(weight.dtype)), Doubles(weight));
        }
        Assert.True(flat.IsIntact());
    }

    private static double[] Doubles(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).data<double>().ToArray();
    }
}
