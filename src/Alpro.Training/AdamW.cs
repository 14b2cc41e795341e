using Alpro.Model;
using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>
/// AdamW as the released code has it, over flat buffers: epsilon is added after the square root, before the bias correction, and
/// decoupled weight decay follows the update. On the CPU one pass reads gradient, moments and weights once and clears the gradient.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly FlatParameters _parameters;
    private readonly OptimizerConfig _config;
    private readonly int _threads;

    /// <summary>An optimizer with moments of 0.</summary>
    /// <param name="parameters">What it updates.</param>
    /// <param name="config">Its rates; the learning rate of each step is given to <see cref="Step"/>.</param>
    /// <param name="threads">Threads of the CPU pass; they do not change the result.</param>
    public AdamW(FlatParameters parameters, OptimizerConfig config, int threads = 1)
    {
        (_parameters, _config, _threads) = (parameters, config, threads);
        using var scope = NewDisposeScope();
        FirstMoment = zeros(parameters.Length, dtype: ScalarType.Float32, device: parameters.Device).DetachFromDisposeScope();
        SecondMoment = zeros(parameters.Length, dtype: ScalarType.Float32, device: parameters.Device).DetachFromDisposeScope();
    }

    /// <summary>Running mean of the gradients, laid out as the parameters.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Running mean of their squares.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Updates made; the bias correction goes by it.</summary>
    public long Updates { get; set; }

    /// <summary>The norm of all gradients as a scalar tensor on their device: a double, so that large sums keep their digits.</summary>
    public unsafe Tensor GradientNorm()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (_parameters.Device.type == DeviceType.CPU)
            return tensor(Math.Sqrt(FlatArithmetic.SumOfSquares(Address(_parameters.Gradients), _parameters.Length, _threads))).MoveToOuterDisposeScope();
        return linalg.vector_norm(_parameters.Gradients).to(ScalarType.Float64).MoveToOuterDisposeScope();
    }

    /// <summary>One update; gradients are 0 afterwards.</summary>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What gradients are multiplied by first: clipping, 1 for none.</param>
    public unsafe void Step(double learningRate, double gradientScale = 1)
    {
        if (_parameters.Device.type != DeviceType.CPU)
        {
            StepWithTensors(learningRate, gradientScale);
            return;
        }
        (double stepSize, double keep) = NextRates(learningRate);
        FlatArithmetic.AdamW(
            Address(_parameters.Values), Address(_parameters.Gradients),
            Address(FirstMoment), Address(SecondMoment), _parameters.Length, _parameters.DecayingLength,
            new(_config.Beta1, _config.Beta2, _config.Epsilon, stepSize, keep, gradientScale), _threads);
    }

    /// <summary>How much gradients are scaled so that their norm is at most <paramref name="largest"/>.</summary>
    public static double ClipScale(double norm, double largest) => Math.Min(1, largest / (norm + 1e-6));

    /// <inheritdoc/>
    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
    }

    private static unsafe float* Address(Tensor tensor) => (float*)TensorMemory.Address(tensor);

    /// <summary>The update as tensor operations, for devices other than the CPU.</summary>
    internal void StepWithTensors(double learningRate, double gradientScale)
    {
        (double stepSize, double keep) = NextRates(learningRate);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using Scalar scale = gradientScale, beta1 = _config.Beta1, beta2 = _config.Beta2, rest1 = 1 - _config.Beta1, rest2 = 1 - _config.Beta2, epsilon = _config.Epsilon, step = -stepSize, decay = keep;
        Tensor gradients = _parameters.Gradients;
        gradients.mul_(scale);
        FirstMoment.mul_(beta1).add_(gradients, rest1);
        SecondMoment.mul_(beta2).addcmul_(gradients, gradients, rest2);
        _parameters.Values.addcdiv_(FirstMoment, SecondMoment.sqrt().add_(epsilon, TensorOps.One), step);
        _parameters.Values.narrow(0, 0, _parameters.DecayingLength).mul_(decay);
        gradients.zero_();
    }

    private (double StepSize, double Keep) NextRates(double learningRate)
    {
        Updates++;
        double stepSize = learningRate * Math.Sqrt(1 - Math.Pow(_config.Beta2, Updates)) / (1 - Math.Pow(_config.Beta1, Updates));
        return (stepSize, 1 - learningRate * _config.WeightDecay);
    }
}
