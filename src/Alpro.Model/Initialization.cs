using Alpro.Model.Arithmetic;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>How weights start when no checkpoint gives them.</summary>
internal static class Initialization
{
    /// <summary>
    /// Fills a float tensor, in place, from a normal distribution of mean 0 cut to [low, high]. The values are bit for bit what PyTorch's
    /// <c>trunc_normal_</c> draws from the same generator state. TorchSharp's own fills the tensor with a constant.
    /// </summary>
    public static void TruncatedNormal(Tensor tensor, double std, double low = -2, double high = 2)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        tensor.uniform_(2 * NormalCdf(low / std) - 1, 2 * NormalCdf(high / std) - 1).erfinv_();
        using Scalar scale = std * Math.Sqrt(2);
        tensor.mul_(scale).Clamp_(low, high);
    }

    /// <summary>The vision transformer's start: linear weights from a truncated normal, biases 0. Convolutions keep their own.</summary>
    public static void VisionWeights(nn.Module module, double std)
    {
        foreach (Linear linear in module.modules().OfType<Linear>())
        {
            TruncatedNormal(linear.weight, std);
            Fill(linear.bias, 0);
        }
    }

    /// <summary>BERT's start: linear and embedding weights from a normal distribution, biases 0.</summary>
    public static void BertWeights(nn.Module module, double std)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (nn.Module part in module.modules())
        {
            if (part is Linear linear)
            {
                linear.weight!.normal_(0, std);
                Fill(linear.bias, 0);
            }
            else if (part is Embedding embedding)
            {
                embedding.weight!.normal_(0, std);
            }
        }
    }

    /// <summary>Sets every element of a parameter, if there is one.</summary>
    internal static void Fill(Tensor? tensor, double value)
    {
        if (tensor is null) return;
        using var noGrad = no_grad();
        using Scalar scalar = value;
        tensor.fill_(scalar);
    }

    // Through libtorch's own erf in double precision, so that the bounds are PyTorch's to the last bit.
    private static double NormalCdf(double z)
    {
        using var scope = NewDisposeScope();
        return (1 + tensor(z / Math.Sqrt(2), dtype: ScalarType.Float64).erf().item<double>()) / 2;
    }
}
