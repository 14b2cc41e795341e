using Alpro.Training.Devices;

namespace Alpro.Training.Tests.Devices;

public sealed class VisibleGpuTests
{
    [Theory]
    [InlineData(0, null, "0")]
    [InlineData(3, null, "3")]
    [InlineData(1, "4, GPU-7", "GPU-7")]
    [InlineData(2, "4,7", null)]
    [InlineData(0, "", null)]
    [InlineData(-1, null, null)]
    public void Number_counts_what_the_process_sees(int index, string? visible, string? name) => Assert.Equal(name,
    VisibleGpu.NameOf(index, visible));
}
