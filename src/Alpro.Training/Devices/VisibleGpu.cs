using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>
/// Which GPU is a process's own. It then sees no other, so that libtorch, NCCL and every thread take the same for the first and only one.
/// </summary>
internal static partial class VisibleGpu
{
    private const string Variable = "CUDA_VISIBLE_DEVICES";

    /// <summary>Leaves the process one of the GPUs that it sees. To be called before anything asks for one: CUDA looks once.</summary>
    /// <param name="index">Its number among them, from 0.</param>
    /// <returns>Whether there is such a GPU, and libtorch can use it.</returns>
    public static bool TryChoose(int index)
    {
        if (NameOf(index, Environment.GetEnvironmentVariable(Variable)) is not { } name) return false;
        Environment.SetEnvironmentVariable(Variable, name);          // for processes that this one starts
        return SetEnvironment(Variable, name, overwrite: 1) == 0 && cuda.is_available();
    }

    /// <summary>What CUDA calls one of the GPUs that are seen; null where there is none of that number.</summary>
    internal static string? NameOf(int index, string? visible) => index < 0 ? null : visible is null ? $"{index}"
        : visible.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).ElementAtOrDefault(index);

    /// <summary>.NET keeps a copy of the environment; native code looks in this one.</summary>
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
