using System.Runtime.InteropServices;
using Alpro.Model.Arithmetic;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>Whether this libtorch is one that the program can use: each kind of call once, with its result checked.</summary>
internal static class ProbeStage
{
    public static void Run(string[] args)
    {
        Device device = GpuCheck.Device;
        using var scope = NewDisposeScope();
        Console.WriteLine($"  device {device}, libtorch as TorchSharp knows it {torch.__version__}");
        foreach ((string name, Func<bool> holds) in Probes(device))
        {
            Console.Write($"  {name} ... ");
            Console.Out.Flush();                                     // a call that ends the process is the last one named
            bool held = holds();
            Console.WriteLine(held ? "ok" : "WRONG");
            if (!held) throw new InvalidOperationException($"probe {name} gave a wrong result");
        }
    }

    private static IEnumerable<(string, Func<bool>)> Probes(Device device)
    {
        yield return ("numbers there and back", () => Close(tensor(new[] { 1f, 2f, 3f }).to(device).cpu(), tensor(new[] { 1f, 2f, 3f })));
        yield return ("address of the data", () => TensorMemory.Address(ones(4, device: device)) != 0);
        yield return ("bytes", () => MemoryMarshal.Cast<byte, float>(ones(4).bytes).ToArray() is [1, 1, 1, 1]);
        yield return ("matrix product", () => Close(full([8, 8], 2f, device: device).mm(ones(8, 8, device: device)).cpu(),
            full([8, 8], 16f)));
        yield return ("linear layer", () => nn.Linear(8, 4).to(device).call(ones(2, 8, device: device)).isfinite().all().item<bool>());
        yield return ("convolution", () => nn.Conv2d(3, 4, 2, 2).to(device).call(ones(1, 3, 4, 4, device: device)).shape is [1, 4, 2, 2]);
        yield return ("embedding", () => nn.Embedding(10, 4,
            padding_idx: 0).to(device).call(zeros(2, 3, dtype: ScalarType.Int64, device: device)).shape is [2, 3, 4]);
        yield return ("layer norm, softmax, gelu",
            () => nn.functional.gelu(nn.LayerNorm(8).to(device).call(randn(3, 8, device: device))).softmax(-1).sum().item<float>() is > 2.9f
            and < 3.1f);
        yield return ("attention", () => nn.functional.scaled_dot_product_attention(randn([1, 2, 5, 8], device: device),
            randn([1, 2, 5, 8], device: device), randn([1, 2, 5, 8], device: device)).shape is [1, 2, 5, 8]);
        yield return ("attention with mask and dropout",
            () => nn.functional.scaled_dot_product_attention(randn([1, 2, 5, 8], device: device), randn([1, 2, 5, 8], device: device),
            randn([1, 2, 5, 8], device: device), zeros([1, 1, 1, 5], device: device), 0.1).isfinite().all().item<bool>());
        yield return ("dropout", () => nn.functional.dropout(ones(1000, device: device), 0.5,
            true).mean().item<float>() is > 0.7f and < 1.3f);
        yield return ("cross-entropy and backward", () =>
        {
            Tensor x = randn(4, 5, device: device).requires_grad_();
            nn.functional.cross_entropy(x, zeros(4, dtype: ScalarType.Int64, device: device)).backward();
            return x.grad!.abs().sum().item<float>() > 0;
        });
        yield return ("a function of our own in the backward pass", () =>
        {
            Tensor x = ones(2, device: device).requires_grad_();
            ActivationCheckpoint.Run((y, _) => y.mul(y), x).sum().backward();
            ActivationCheckpoint.ThrowIfFailed();
            return Close(x.grad!.cpu(), full([2], 2f));
        });
        yield return ("mixed precision", () =>
        {
            using IDisposable mixed = Autocast.Set(device.type, on: true);
            return ones(8, 8, device: device).mm(ones(8, 8, device: device)).dtype == ScalarType.BFloat16;
        });
        yield return ("fused AdamW through the dispatcher", () =>
        {
            using var layer = nn.Linear(8, 8);
            using var flat = new FlatParameters(layer.to(device));
            using var optimizer = new AdamW(flat, new OptimizerConfig());
            Tensor before = flat.Values.clone();
            using (no_grad()) flat.Gradients.fill_(1);
            optimizer.StepOnDevice(0.1, optimizer.GradientNorm(), 1e9, TensorOps.Constant(1, device, ScalarType.Float64));
            return (before - flat.Values).abs().max().item<float>() is > 0.09f and < 0.11f;
        });
        yield return ("random draws of a seed", () =>
        {
            Tensor draw()
            {
                manual_seed(3);
                if (device.type == DeviceType.CUDA) cuda.manual_seed_all(3);
                return rand(100, device: device);
            }
            return Close(draw(), draw()) && multinomial(ones(2, 3, device: device), 1).shape is [2, 1];
        });
    }

    private static bool Close(Tensor a, Tensor b) => allclose(a, b);
}
