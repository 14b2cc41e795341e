using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Alpro.Model.Arithmetic.Kernels;

namespace Alpro.Model.Tests.Arithmetic.Kernels;

/// <summary>Runs the CUDA source of the kernels on the processor, compiled by the C++ compiler.</summary>
internal sealed unsafe class EmulatedLauncher : IKernelLauncher
{
    private static readonly Dictionary<KernelSizes, nint> Compiled = [];

    /// <summary>How many kernels ran.</summary>
    public int Launches { get; private set; }

    /// <summary>Whether there is a C++ compiler.</summary>
    public static bool IsAvailable { get; } = Compile("--version") == 0;

    public void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments)
    {
        Launches++;
        var launch = (delegate* unmanaged<byte*, int, int, ulong*, int, int>)NativeLibrary.GetExport(Library(sizes), "launch");
        fixed (ulong* words = arguments)
        fixed (byte* name = System.Text.Encoding.UTF8.GetBytes(kernel + '\0'))
            Assert.Equal(0, launch(name, (int)blocks, IKernelLauncher.Threads, words, arguments.Length));
    }

    private static nint Library(KernelSizes sizes)
    {
        lock (Compiled)
        {
            if (Compiled.TryGetValue(sizes, out nint library)) return library;
            string folder = Directory.CreateTempSubdirectory("alpro-kernels-").FullName, file = Path.Combine(folder, "kernels.so");
            try
            {
                File.WriteAllText(Path.Combine(folder, "vision.cu"), CudaLauncher.Source.Value);
                Assert.Equal(0, Compile("-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-pthread", "-ffp-contract=off", $"-DCHUNKS={sizes.Chunks}", $"-DFRAMES={sizes.Frames}", $"-I{folder}", Source(), "-o", file));
                return Compiled[sizes] = NativeLibrary.Load(file);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static int Compile(params string[] arguments)
    {
        try
        {
            using Process compiler = Process.Start(new ProcessStartInfo("c++", arguments) { RedirectStandardOutput = true })!;
            compiler.StandardOutput.ReadToEnd();
            compiler.WaitForExit();
            return compiler.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }

    private static string Source([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "emulator.cpp");
}

/// <summary>A theory that needs a C++ compiler: skipped, with a message, where there is none.</summary>
public sealed class KernelTheoryAttribute : TheoryAttribute
{
    public KernelTheoryAttribute()
    {
        if (!EmulatedLauncher.IsAvailable) Skip = "needs a C++ compiler (c++) to run the CUDA kernels on the processor";
    }
}
