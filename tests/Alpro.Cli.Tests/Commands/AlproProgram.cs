using System.Diagnostics;

namespace Alpro.Cli.Tests.Commands;

/// <summary>The program, as a person runs it.</summary>
internal static class AlproProgram
{
    /// <summary>Starts a command whose words nobody reads.</summary>
    public static Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo("sh",
        ["-c", "exec dotnet \"$0\" \"$@\" > /dev/null 2>&1", Path.Combine(AppContext.BaseDirectory, "alpro.dll"), .. arguments]))!;

    /// <summary>Runs a command to its end.</summary>
    public static (int Code, string Output, string Errors) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet",
            [Path.Combine(AppContext.BaseDirectory, "alpro.dll"), .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.GetAwaiter().GetResult());
    }
}
