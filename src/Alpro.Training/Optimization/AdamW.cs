using Alpro.Model.Arithmetic;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Optimization;

/// <summary>
/// AdamW as the released code has it, over flat buffers. Epsilon is added after the square root, before the bias correction, and decoupled
/// weight decay follows the update. On the CPU one pass reads gradient, moments and weights once and clears the gradient. On a GPU it is
/// libtorch's fused kernel, which clips and leaves out what is not finite without asking the host.
/// </summary>
internal sealed class AdamW : IDisposable
{
    private const double ClipEpsilon = 1e-6;

    private readonly FlatParameters _parameters;
    private readonly OptimizerConfig _config;
    private readonly int _threads;
    private readonly Tensor _counted, _manySteps;
    private long _updates;

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
        _counted = TensorOps.Constant(0, parameters.Device, ScalarType.Float64).DetachFromDisposeScope();
        _manySteps = TensorOps.Constant(1e9, parameters.Device).DetachFromDisposeScope();
    }

    /// <summary>Running mean of the gradients, laid out as the parameters.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Running mean of their squares.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Updates made, as far as the host knows; the bias correction goes by it.</summary>
    public long Updates
    {
        get => _updates;
        set
        {
            using var scope = NewDisposeScope();
            using Scalar count = value;
            _counted.fill_(count);
            _updates = value;
        }
    }

    /// <summary>The norm of all gradients as a scalar tensor on their device: a double, so that large sums keep their digits.</summary>
    public unsafe Tensor GradientNorm()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (_parameters.Device.type == DeviceType.CPU)
            return tensor(Math.Sqrt(FlatArithmetic.SumOfSquares(Address(_parameters.Gradients), _parameters.Length, _threads)))
                .MoveToOuterDisposeScope();
        return linalg.vector_norm(_parameters.Gradients).to(ScalarType.Float64).MoveToOuterDisposeScope();
    }

    /// <summary>One update with gradients scaled down to a norm, wherever they are.</summary>
    /// <returns>The norm that they had.</returns>
    public double ClippedStep(double learningRate, double largest)
    {
        using var scope = NewDisposeScope();
        Tensor norm = GradientNorm();
        double had = norm.item<double>();
        if (_parameters.Device.type == DeviceType.CPU) Step(learningRate, ClipScale(had, largest));
        else
        {
            StepOnDevice(learningRate, norm, largest, TensorOps.Constant(1, _parameters.Device, ScalarType.Float64));
            Confirm();
        }
        return had;
    }

    /// <summary>One update on the CPU; gradients are 0 afterwards.</summary>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="gradientScale">What gradients are multiplied by first: clipping, 1 for none.</param>
    public unsafe void Step(double learningRate, double gradientScale = 1)
    {
        _updates++;
        double stepSize = learningRate * Math.Sqrt(1 - Math.Pow(_config.Beta2, Updates)) / (1 - Math.Pow(_config.Beta1, Updates));
        FlatArithmetic.AdamW(
            Address(_parameters.Values), Address(_parameters.Gradients),
            Address(FirstMoment), Address(SecondMoment), _parameters.Length, _parameters.DecayingLength,
            new(_config.Beta1, _config.Beta2, _config.Epsilon, stepSize, 1 - learningRate * _config.WeightDecay, gradientScale), _threads);
        _parameters.Refresh();
    }

    /// <summary>
    /// One update that is decided where the gradients are, and counted there; the host learns of it later and says so by
    /// <see cref="Confirm"/>. Gradients are 0 afterwards.
    /// </summary>
    /// <param name="learningRate">The learning rate of this step.</param>
    /// <param name="norm">The norm of the gradients, a scalar on their device.</param>
    /// <param name="largest">The norm they are scaled down to.</param>
    /// <param name="sound">1 to update and 0 to leave weights and moments as they are, a scalar double on the device.</param>
    /// <remarks>
    /// The kernel corrects the moments' bias after it has added epsilon, by its count of steps. Here the correction is in the learning
    /// rate, and the count is so large that the kernel's own correction is 1.
    /// </remarks>
    public void StepOnDevice(double learningRate, Tensor norm, double largest, Tensor sound)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _counted.add_(sound, TensorOps.One);
        Tensor size = Correction(_config.Beta2).sqrt_().div_(Correction(_config.Beta1)).Times(learningRate).to(ScalarType.Float32);
        Tensor shrink = norm.Plus(ClipEpsilon).Over(largest).AtLeast(1).to(ScalarType.Float32),
            unsound = sound.OneMinus().to(ScalarType.Float32);
        Dispatcher.Call("aten::_fused_adamw_", "tensor_lr",
        [
            Dispatcher.List(_parameters.Values), Dispatcher.List(_parameters.Gradients), Dispatcher.List(FirstMoment),
            Dispatcher.List(SecondMoment),
            Dispatcher.List(), Dispatcher.List(_manySteps), Dispatcher.Of(size), Dispatcher.Of(_config.Beta1), Dispatcher.Of(_config.Beta2),
            Dispatcher.Of(0.0), Dispatcher.Of(_config.Epsilon), Dispatcher.Of(false), Dispatcher.Of(false), Dispatcher.Optional(shrink),
            Dispatcher.Optional(unsound),
        ]);
        if (_config.WeightDecay != 0)
            _parameters.Values.narrow(0, 0, _parameters.DecayingLength)
                .mul_(sound.Times(learningRate * _config.WeightDecay).OneMinus().to(ScalarType.Float32));
        _parameters.Gradients.zero_();
        _parameters.Refresh();

        Tensor Correction(double beta) => _counted.Times(Math.Log(beta)).expm1_().neg_();               // 1 - beta^updates
    }

    /// <summary>Says that an update of <see cref="StepOnDevice"/> was made.</summary>
    public void Confirm() => _updates++;

    /// <summary>How much gradients are scaled so that their norm is at most <paramref name="largest"/>.</summary>
    public static double ClipScale(double norm, double largest) => Math.Min(1, largest / (norm + ClipEpsilon));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in new[] { FirstMoment, SecondMoment, _counted, _manySteps }) tensor.Dispose();
    }

    private static unsafe float* Address(Tensor tensor) => (float*)TensorMemory.Address(tensor);
}
