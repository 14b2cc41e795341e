using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Alpro.Benchmarks;

/// <summary>
/// How long a thread has been inside libtorch. Between TorchSharp and its native library stands a library of entry points, made here with
/// the C compiler: each notes the processor's clock, calls the function of the same name and notes the clock again, some 20 ns in all.
/// To be made before the first tensor, on x86-64 Linux.
/// </summary>
internal sealed unsafe class LibtorchClock
{
    private readonly delegate* unmanaged<ulong*, void> _read;
    private readonly string[] _names;
    private readonly ulong* _counts;
    private readonly (long Time, ulong Ticks) _start;

    private LibtorchClock(nint library, string[] names)
    {
        _names = names;
        _counts = (ulong*)NativeLibrary.GetExport(library, "clock_targets") + names.Length;
        _read = (delegate* unmanaged<ulong*, void>)NativeLibrary.GetExport(library, "clock_read");
        _start = (Stopwatch.GetTimestamp(), Now().Clock);
    }

    /// <summary>Puts the entry points in their place; null, with the reason on standard error, where that cannot be done.</summary>
    public static LibtorchClock? Install()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Console.Error.WriteLine("time inside libtorch is not measured: its clock is for x86-64 Linux");
            return null;
        }
        Assembly torchSharp = typeof(TorchSharp.torch).Assembly;
        string[] names = [.. torchSharp.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
            .Select(method => method.GetCustomAttribute<DllImportAttribute>()).OfType<DllImportAttribute>()
            .Where(import => import.Value == "LibTorchSharp").Select(import => import.EntryPoint!).Distinct()];
        string folder = Directory.CreateTempSubdirectory("libtorch-clock").FullName;
        try
        {
            string source = Path.Combine(folder, "clock.c"), library = Path.Combine(folder, "libclock.so");
            File.WriteAllText(source, Source(names));
            using Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-O1", "-o", library, source]);
            compiler.WaitForExit();
            if (compiler.ExitCode != 0)
                throw new InvalidOperationException($"cc ended with {compiler.ExitCode}; expected the C compiler of gcc or clang");
            _ = TorchSharp.torch.CPU;                                // loads what LibTorchSharp needs
            nint real = NativeLibrary.Load("LibTorchSharp", torchSharp, null), clock = NativeLibrary.Load(library);
            var targets = (nint*)NativeLibrary.GetExport(clock, "clock_targets");
            for (int i = 0; i < names.Length; i++) NativeLibrary.TryGetExport(real, names[i], out targets[i]);
            NativeLibrary.SetDllImportResolver(torchSharp, (name, _, _) => name == "LibTorchSharp" ? clock : 0);
            return new(clock, names);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            Console.Error.WriteLine(
                $"time inside libtorch is not measured: cc cannot be run ({error.Message}); expected the C compiler of gcc or clang");
            return null;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What the calling thread has spent inside so far, in ticks of the processor's clock, and in how many calls.</summary>
    public (ulong Inside, ulong Calls, ulong Clock) Now()
    {
        ulong* state = stackalloc ulong[3];
        _read(state);
        return (state[0], state[1], state[2]);
    }

    /// <summary>How often each entry point has been called so far, by any thread.</summary>
    public Dictionary<string, long> Calls() => _names.Select((name, i) => (name, Count: (long)_counts[i])).Where(entry => entry.Count > 0)
        .ToDictionary(entry => entry.name, entry => entry.Count);

    /// <summary>Milliseconds of so many ticks.</summary>
    public double Milliseconds(ulong ticks) =>
        Stopwatch.GetElapsedTime(_start.Time).TotalMilliseconds * ticks / (Now().Clock - _start.Ticks);

    /// <summary>
    /// An entry point keeps the arguments' registers, puts the caller's return address aside and calls on, so that arguments on the stack
    /// lie where the function expects them. Calls from within (a hook in C# that calls libtorch) count as part of the outer one.
    /// </summary>
    private static string Source(string[] names) => $$"""
        void *clock_targets[2 * {{names.Length}}] = {0};             /* then how often each was called */
        extern void *clock_table[2 * {{names.Length}}] __attribute__((alias("clock_targets"), visibility("hidden")));
        __thread unsigned long clock_state[4 + 4 * 8] __attribute__((tls_model("initial-exec"), visibility("hidden")));
        void clock_read(unsigned long *to) {
            unsigned low, high;
            __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
            to[0] = clock_state[1]; to[1] = clock_state[2]; to[2] = (unsigned long)high << 32 | low;
        }
        __asm__(
            ".text\n"
            "clock_enter:\n"                                       /* r11: the function's place in clock_targets */
            "  lock incq {{8 * names.Length}}(%r11)\n"
            "  movq clock_state@gottpoff(%rip), %r10\n  addq %fs:0, %r10\n"
            "  movq (%r10), %rax\n  addq $32, %rax\n  movq %rax, (%r10)\n  addq %rax, %r10\n"
            "  popq %rax\n  movq %rax, (%r10)\n  movq %rdx, 8(%r10)\n"
            "  rdtsc\n  shlq $32, %rdx\n  orq %rdx, %rax\n  movq %rax, 16(%r10)\n  movq 8(%r10), %rdx\n"
            "  call *(%r11)\n"
            "  movq clock_state@gottpoff(%rip), %r10\n  addq %fs:0, %r10\n  movq (%r10), %rcx\n  leaq (%r10,%rcx), %r11\n"
            "  movq %rax, 8(%r11)\n  movq %rdx, 24(%r11)\n"
            "  rdtsc\n  shlq $32, %rdx\n  orq %rdx, %rax\n  subq 16(%r11), %rax\n"
            "  cmpq $32, %rcx\n  jne 1f\n  addq %rax, 8(%r10)\n  incq 16(%r10)\n"
            "1: subq $32, %rcx\n  movq %rcx, (%r10)\n"
            "  movq 8(%r11), %rax\n  movq 24(%r11), %rdx\n  movq (%r11), %rcx\n  jmp *%rcx\n"
        {{string.Concat(names.Select((name, i) => $"""    ".globl {name}\n{name}: leaq clock_table+{8 * i}(%rip), %r11\n  jmp clock_enter\n"{"\n"}"""))}});
        """;
}
