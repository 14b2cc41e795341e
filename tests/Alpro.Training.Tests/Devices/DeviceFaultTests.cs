using System.Runtime.InteropServices;
using Alpro.Model.Arithmetic.Kernels;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using TorchSharp;

namespace Alpro.Training.Tests.Devices;

public sealed class DeviceFaultTests
{
    [Theory]
    [InlineData("CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more information.\n"
        + "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n", DeviceFault.Lost)]
    [InlineData("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some other API call",
        DeviceFault.Lost)]
    [InlineData("CUDA error: unspecified launch failure", DeviceFault.Lost)]
    [InlineData("CUDA error: misaligned address", DeviceFault.Lost)]
    [InlineData("CUDA error: uncorrectable ECC error encountered", DeviceFault.Lost)]
    [InlineData("CUDA error: unknown error", DeviceFault.Lost)]
    [InlineData("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k, &falpha, a, CUDA_R_16BF, lda, b, CUDA_R_16BF, ldb, &fbeta, c, CUDA_R_16BF, ldc, compute_type, CUBLAS_GEMM_DEFAULT_TENSOR_OP)`", DeviceFault.Lost)]
    [InlineData("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", DeviceFault.Lost)]
    [InlineData("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.25 GiB is free. Including non-PyTorch memory, this process has 77.89 GiB memory in use. "
        + "Of the allocated memory 75.10 GiB is allocated by PyTorch, and 2.00 GiB is reserved by PyTorch but unallocated.",
        DeviceFault.OutOfMemory)]
    [InlineData("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'", DeviceFault.OutOfMemory)]
    [InlineData("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", DeviceFault.OutOfMemory)]
    [InlineData("CUDA driver error: out of memory", DeviceFault.OutOfMemory)]
    [InlineData("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0", DeviceFault.None)]
    public void Texts_of_libtorch_are_told_apart(string text, DeviceFault fault)
    {
        Assert.Equal(fault, DeviceFaults.Of(new ExternalException(text)));
        Assert.Equal(fault, DeviceFaults.Of(new InvalidOperationException("Recomputing activations in the backward pass failed",
            new ExternalException(text))));
        Assert.Equal(fault, DeviceFaults.Of(new AggregateException(new InvalidOperationException("another"), new ExternalException(text))));
    }

    [Fact]
    public void What_libtorch_says_where_memory_ends_is_out_of_memory()
    {
        var error = Assert.ThrowsAny<Exception>(() => torch.empty(1L << 50));
        Assert.Equal(DeviceFault.OutOfMemory, DeviceFaults.Of(error));
        Assert.DoesNotContain('\n', DeviceFaults.Words(error));
    }

    [Fact]
    public void The_same_words_in_an_error_of_something_else_are_no_fault_of_the_device()
    {
        Assert.Equal(DeviceFault.None, DeviceFaults.Of(null));
        Assert.Equal(DeviceFault.None, DeviceFaults.Of(
            new InvalidOperationException("clip 'CUDA error: out of memory.mp4' cannot be read")));
    }

    [Fact]
    public void The_first_line_is_what_a_person_is_told() => Assert.Equal(
        "CUDA error: device-side assert triggered",
        DeviceFaults.Words(new InvalidOperationException("x",
        new ExternalException("CUDA error: device-side assert triggered\nCUDA kernel errors might be"))));

    [Fact]
    public void A_device_that_fails_while_figures_are_waited_for_is_lost()
    {
        CudaDriver.Check(0, "cuEventSynchronize");
        Assert.Equal(DeviceFault.Lost, DeviceFaults.Of(Record.Exception(() => CudaDriver.Check(719, "cuEventSynchronize"))));
    }
}
