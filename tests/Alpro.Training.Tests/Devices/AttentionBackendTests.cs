using Alpro.Training.Configuration;
using Alpro.Training.Devices;

using static TorchSharp.torch;

namespace Alpro.Training.Tests.Devices;

public sealed class AttentionBackendTests
{
    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    public void The_kernel_that_libtorch_chooses_has_a_name(Precision precision)
    {
        for (int i = 0; i < 100; i++) Assert.Equal("flash", AttentionBackend.Of(CPU, precision));
    }
}
