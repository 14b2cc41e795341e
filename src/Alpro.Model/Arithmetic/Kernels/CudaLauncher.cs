using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>Runs kernels of our own on a device.</summary>
internal interface IKernelLauncher
{
    /// <summary>Queues a kernel of <c>vision.cu</c>, compiled for these sizes, behind the work that is queued.</summary>
    /// <param name="kernel">Its name.</param>
    /// <param name="sizes">The sizes it is compiled for.</param>
    /// <param name="blocks">Blocks of <see cref="Threads"/> threads.</param>
    /// <param name="arguments">Its arguments, a word each: addresses, integers, floats.</param>
    void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments);

    /// <summary>Threads of a block.</summary>
    const int Threads = 128;
}

/// <summary>What a kernel is compiled for.</summary>
/// <param name="Chunks">Channels over 256.</param>
/// <param name="Frames">Frames of a clip.</param>
internal readonly record struct KernelSizes(int Chunks, int Frames);

/// <summary>
/// Compiles <c>vision.cu</c> with the compiler that libtorch brings along (NVRTC) for the GPU that is there, and runs it through the driver.
/// libtorch's <c>libcaffe2_nvrtc.so</c> depends on both libraries, whatever their versions are called.
/// </summary>
internal sealed unsafe class CudaLauncher : IKernelLauncher
{
    private readonly ConcurrentDictionary<KernelSizes, nint> _modules = new();
    private readonly ConcurrentDictionary<(string, KernelSizes), nint> _kernels = new();
    private readonly nint _library, _context;
    private readonly string _architecture;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> _launch;
    private readonly delegate* unmanaged<nint, int> _setContext;

    private CudaLauncher(nint library)
    {
        _library = library;
        using Tensor _ = zeros(1, device: CUDA);                     // makes libtorch's context, which is the device's primary one
        int device, major, minor;
        nint context;
        Check(((delegate* unmanaged<int*, int>)Function("cuCtxGetDevice"))(&device), "cuCtxGetDevice");
        var attribute = (delegate* unmanaged<int*, int, int, int>)Function("cuDeviceGetAttribute");
        Check(attribute(&major, 75, device), "cuDeviceGetAttribute");               // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        Check(attribute(&minor, 76, device), "cuDeviceGetAttribute");
        Check(((delegate* unmanaged<nint*, int>)Function("cuCtxGetCurrent"))(&context), "cuCtxGetCurrent");
        (_context, _architecture) = (context, $"sm_{major}{minor}");
        _launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)Function("cuLaunchKernel");
        _setContext = (delegate* unmanaged<nint, int>)Function("cuCtxSetCurrent");
    }

    /// <summary>The launcher of this process's GPU; null, with the reason, where libtorch has no compiler or no GPU.</summary>
    public static CudaLauncher? Create(out string? why)
    {
        why = null;
        if (!cuda.is_available()) why = "there is no GPU that libtorch can use";
        else if (!NativeLibrary.TryLoad("libcaffe2_nvrtc.so", typeof(CudaLauncher).Assembly, null, out nint library)) why = "libtorch's libcaffe2_nvrtc.so does not load";
        else
            try
            {
                return new(library);
            }
            catch (Exception error) when (error is EntryPointNotFoundException or ExternalException)
            {
                why = error.Message;
            }
        return null;
    }

    /// <inheritdoc/>
    public void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments)
    {
        if (!_kernels.TryGetValue((kernel, sizes), out nint function)) function = _kernels.GetOrAdd((kernel, sizes), Load);
        void** places = stackalloc void*[arguments.Length];
        Check(_setContext(_context), "cuCtxSetCurrent");             // the autograd engine's threads come here too
        fixed (ulong* words = arguments)
        {
            for (int i = 0; i < arguments.Length; i++) places[i] = words + i;
            Check(_launch(function, (uint)blocks, 1, 1, IKernelLauncher.Threads, 1, 1, 0, 0, places, null), kernel);
        }
    }

    private nint Load((string Kernel, KernelSizes Sizes) wanted)
    {
        nint module = _modules.GetOrAdd(wanted.Sizes, Compile), function;
        fixed (byte* name = Text(wanted.Kernel))
            Check(((delegate* unmanaged<nint*, nint, byte*, int>)Function("cuModuleGetFunction"))(&function, module, name), wanted.Kernel);
        return function;
    }

    private nint Compile(KernelSizes sizes)
    {
        nint program, module;
        byte[] source = Text(Source.Value);
        byte[][] options = [Text($"--gpu-architecture={_architecture}"), Text($"-DCHUNKS={sizes.Chunks}"), Text($"-DFRAMES={sizes.Frames}"), Text("--std=c++17")];
        GCHandle[] pinned = [.. options.Select(option => GCHandle.Alloc(option, GCHandleType.Pinned))];
        try
        {
            fixed (byte* text = source)
            fixed (byte* name = Text("vision.cu"))
                Check(((delegate* unmanaged<nint*, byte*, byte*, int, nint, nint, int>)Function("nvrtcCreateProgram"))(&program, text, name, 0, 0, 0), "nvrtcCreateProgram");
            nint* places = stackalloc nint[options.Length];
            for (int i = 0; i < options.Length; i++) places[i] = pinned[i].AddrOfPinnedObject();
            int result = ((delegate* unmanaged<nint, int, nint*, int>)Function("nvrtcCompileProgram"))(program, options.Length, places);
            if (result != 0) throw new InvalidOperationException($"vision.cu does not compile for {_architecture}: {Log(program)}");
            nuint size;
            Check(((delegate* unmanaged<nint, nuint*, int>)Function("nvrtcGetCUBINSize"))(program, &size), "nvrtcGetCUBINSize");
            byte[] binary = new byte[size];
            fixed (byte* code = binary)
            {
                Check(((delegate* unmanaged<nint, byte*, int>)Function("nvrtcGetCUBIN"))(program, code), "nvrtcGetCUBIN");
                Check(_setContext(_context), "cuCtxSetCurrent");
                Check(((delegate* unmanaged<nint*, byte*, int>)Function("cuModuleLoadData"))(&module, code), "cuModuleLoadData");
            }
            Check(((delegate* unmanaged<nint*, int>)Function("nvrtcDestroyProgram"))(&program), "nvrtcDestroyProgram");
            return module;
        }
        finally
        {
            foreach (GCHandle handle in pinned) handle.Free();
        }
    }

    private string Log(nint program)
    {
        nuint size;
        Check(((delegate* unmanaged<nint, nuint*, int>)Function("nvrtcGetProgramLogSize"))(program, &size), "nvrtcGetProgramLogSize");
        byte[] log = new byte[size];
        fixed (byte* text = log) Check(((delegate* unmanaged<nint, byte*, int>)Function("nvrtcGetProgramLog"))(program, text), "nvrtcGetProgramLog");
        return Encoding.UTF8.GetString(log).TrimEnd('\0');
    }

    private nint Function(string name) => NativeLibrary.GetExport(_library, name);

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int result, string what)
    {
#pragma warning disable CA2201 // What libtorch throws where CUDA fails, and what such a failure is known by.
        if (result != 0) throw new ExternalException($"CUDA error {result} at {what}", result);
#pragma warning restore CA2201
    }

    /// <summary>The source of the kernels.</summary>
    public static Lazy<string> Source { get; } = new(() =>
    {
        using var reader = new StreamReader(typeof(CudaLauncher).Assembly.GetManifestResourceStream("vision.cu")!);
        return reader.ReadToEnd();
    });
}
