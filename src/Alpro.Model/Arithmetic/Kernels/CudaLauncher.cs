using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>
/// Compiles <c>vision.cu</c> for the GPU that is there, and runs it through the driver. The compiler is NVRTC, which libtorch brings along.
/// The <c>libcaffe2_nvrtc.so</c> of libtorch depends on NVRTC, whatever NVRTC's version is called.
/// </summary>
internal sealed unsafe class CudaLauncher : KernelLauncher
{
    private readonly ConcurrentDictionary<(string, KernelSizes), nint> _kernels = new();
    private readonly nint _compiler, _context;
    private readonly string _architecture;

    private CudaLauncher(nint compiler) : base(VisionSource.Value, static reason => Refused(reason))
    {
        _compiler = compiler;
        using Tensor _ = zeros(1, device: CUDA);                     // makes libtorch's context, which is the device's primary one
        CudaDriver.Check(CudaDriver.ContextGetDevice(out int device), "cuCtxGetDevice");
        CudaDriver.Check(CudaDriver.ContextGetCurrent(out _context), "cuCtxGetCurrent");
        CudaDriver.Check(CudaDriver.DeviceGetAttribute(out int major, CudaDriver.CapabilityMajor, device), "cuDeviceGetAttribute");
        CudaDriver.Check(CudaDriver.DeviceGetAttribute(out int minor, CudaDriver.CapabilityMinor, device), "cuDeviceGetAttribute");
        _architecture = $"sm_{major}{minor}";
    }

    /// <summary>Told, once, why kernels do not compile for this process's GPU.</summary>
    public static Action<string> Refused { get; set; } = static _ => { };

    /// <summary>The launcher of this process's GPU; null, with the reason, where libtorch has no compiler or no GPU.</summary>
    public static CudaLauncher? Create(out string? why)
    {
        why = null;
        if (!cuda.is_available()) why = "there is no GPU that libtorch can use";
        else if (!NativeLibrary.TryLoad("libcaffe2_nvrtc.so", typeof(CudaLauncher).Assembly, null, out nint compiler))
            why = "libtorch's libcaffe2_nvrtc.so does not load";
        else
            try
            {
                return new(compiler);
            }
            catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException or ExternalException)
            {
                why = exception.Message;
            }
        return null;
    }

    /// <inheritdoc/>
    public override void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments)
    {
        if (!_kernels.TryGetValue((kernel, sizes), out nint function)) function = _kernels.GetOrAdd((kernel, sizes), Load);
        void** places = stackalloc void*[arguments.Length];
        CudaDriver.Check(CudaDriver.ContextSetCurrent(_context), "cuCtxSetCurrent");      // the autograd engine's threads come here too
        fixed (ulong* words = arguments)
        {
            for (int i = 0; i < arguments.Length; i++) places[i] = words + i;
            CudaDriver.Check(CudaDriver.LaunchKernel(function, (uint)blocks, 1, 1, Threads, 1, 1, 0, 0, places, null), kernel);
        }
    }

    /// <inheritdoc/>
    protected override nint Compile(KernelSizes sizes, string source)
    {
        nint program;
        byte[][] options = [Text($"--gpu-architecture={_architecture}"), Text($"-DCHUNKS={sizes.Chunks}"), Text($"-DFRAMES={sizes.Frames}"),
            Text("--std=c++17")];
        GCHandle[] pinned = [.. options.Select(option => GCHandle.Alloc(option, GCHandleType.Pinned))];
        try
        {
            fixed (byte* text = Text(source), name = Text("vision.cu"))
                Check(((delegate* unmanaged<nint*, byte*, byte*, int, nint, nint, int>)Function("nvrtcCreateProgram"))(&program, text, name,
                    0, 0, 0), "nvrtcCreateProgram");
            nint* places = stackalloc nint[options.Length];
            for (int i = 0; i < options.Length; i++) places[i] = pinned[i].AddrOfPinnedObject();
            int result = ((delegate* unmanaged<nint, int, nint*, int>)Function("nvrtcCompileProgram"))(program, options.Length, places);
            if (result != 0) throw new InvalidOperationException($"vision.cu does not compile for {_architecture}: {Log(program)}");
            nuint size;
            Check(((delegate* unmanaged<nint, nuint*, int>)Function("nvrtcGetCUBINSize"))(program, &size), "nvrtcGetCUBINSize");
            byte[] binary = new byte[size];
            nint module;
            fixed (byte* code = binary)
            {
                Check(((delegate* unmanaged<nint, byte*, int>)Function("nvrtcGetCUBIN"))(program, code), "nvrtcGetCUBIN");
                CudaDriver.Check(CudaDriver.ContextSetCurrent(_context), "cuCtxSetCurrent");
                CudaDriver.Check(CudaDriver.ModuleLoadData(out module, code), "cuModuleLoadData");
            }
            Check(((delegate* unmanaged<nint*, int>)Function("nvrtcDestroyProgram"))(&program), "nvrtcDestroyProgram");
            return module;
        }
        finally
        {
            foreach (GCHandle handle in pinned) handle.Free();
        }
    }

    private nint Load((string Kernel, KernelSizes Sizes) wanted)
    {
        nint function;
        fixed (byte* name = Text(wanted.Kernel))
            CudaDriver.Check(CudaDriver.ModuleGetFunction(out function, Module(wanted.Sizes), name), wanted.Kernel);
        return function;
    }

    private string Log(nint program)
    {
        nuint size;
        Check(((delegate* unmanaged<nint, nuint*, int>)Function("nvrtcGetProgramLogSize"))(program, &size), "nvrtcGetProgramLogSize");
        byte[] log = new byte[size];
        fixed (byte* text = log) Check(((delegate* unmanaged<nint, byte*, int>)Function("nvrtcGetProgramLog"))(program, text),
            "nvrtcGetProgramLog");
        return Encoding.UTF8.GetString(log).TrimEnd('\0');
    }

    private nint Function(string name) => NativeLibrary.GetExport(_compiler, name);

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static void Check(int result, string call)
    {
        if (result != 0) throw new InvalidOperationException($"NVRTC error {result} at {call}");
    }
}
