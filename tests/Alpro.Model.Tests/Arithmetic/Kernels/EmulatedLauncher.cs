using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Alpro.Model.Arithmetic.Kernels;

namespace Alpro.Model.Tests.Arithmetic.Kernels;

/// <summary>Runs the CUDA source of the kernels on the processor, compiled by the C++ compiler.</summary>
/// <param name="source">The source; null for that of the kernels.</param>
/// <param name="warn">Told of a source that does not compile.</param>
internal sealed unsafe class EmulatedLauncher(string? source = null, Action<string>? warn = null)
    : KernelLauncher(source ?? VisionSource.Value, warn ?? (static problem => throw new InvalidOperationException(problem)))
{
    private static readonly Dictionary<(KernelSizes, string), nint> _libraries = [];

    /// <summary>How many kernels ran.</summary>
    public int Launches { get; private set; }

    /// <summary>Whether there is a C++ compiler.</summary>
    public static bool IsAvailable { get; } = Run("--version").ExitCode == 0;

    public override void Launch(string kernel, KernelSizes sizes, long blocks, ReadOnlySpan<ulong> arguments)
    {
        Launches++;
        var launch = (delegate* unmanaged<byte*, int, int, ulong*, int, int>)NativeLibrary.GetExport(Module(sizes), "launch");
        fixed (ulong* words = arguments)
        fixed (byte* name = System.Text.Encoding.UTF8.GetBytes(kernel + '\0'))
            Assert.Equal(0, launch(name, (int)blocks, Threads, words, arguments.Length));
    }

    protected override nint Compile(KernelSizes sizes, string source)
    {
        lock (_libraries)
        {
            if (_libraries.TryGetValue((sizes, source), out nint library)) return library;
            string folder = Directory.CreateTempSubdirectory("alpro-kernels-").FullName, file = Path.Combine(folder, "kernels.so");
            try
            {
                File.WriteAllText(Path.Combine(folder, "vision.cu"), source);
                (int code, string log) = Run(
                    "-std=c++20", "-O1", "-w", "-shared", "-fPIC", "-pthread", "-ffp-contract=off",
                    $"-DCHUNKS={sizes.Chunks}", $"-DFRAMES={sizes.Frames}", $"-I{folder}", Emulator(), "-o", file);
                if (code != 0) throw new InvalidOperationException($"vision.cu does not compile: {log}");
                return _libraries[(sizes, source)] = NativeLibrary.Load(file);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static (int ExitCode, string Log) Run(params string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo("c++", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            using Process compiler = Process.Start(start)!;
            compiler.BeginOutputReadLine();
            string log = compiler.StandardError.ReadToEnd();
            compiler.WaitForExit();
            return (compiler.ExitCode, log);
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            return (-1, missing.Message);
        }
    }

    private static string Emulator([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "emulator.cpp");
}

/// <summary>A theory that needs a C++ compiler: skipped, with a message, where there is none.</summary>
public sealed class KernelTheoryAttribute : TheoryAttribute
{
    public KernelTheoryAttribute()
    {
        if (!EmulatedLauncher.IsAvailable) Skip = "needs a C++ compiler (c++) to run the CUDA kernels on the processor";
    }
}
