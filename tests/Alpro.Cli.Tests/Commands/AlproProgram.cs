using System.Diagnostics;
using Alpro.Cli.Commands;

namespace Alpro.Cli.Tests.Commands;

/// <summary>The program, as a person runs it.</summary>
internal static class AlproProgram
{
    /// <summary>Starts a command whose words nobody reads.</summary>
    public static Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo("sh",
        ["-c", "exec dotnet \"$0\" \"$@\" > /dev/null 2>&1", Path.Combine(AppContext.BaseDirectory, "alpro.dll"), .. arguments]))!;

    /// <summary>
    /// Runs a command to its end, in this process: a process of its own would compile the program anew. Tests follow each other, so that
    /// the console is this command's alone.
    /// </summary>
    public static (int Code, string Output, string Errors) Run(params string[] arguments)
    {
        (TextWriter console, TextWriter log) = (Console.Out, Console.Error);
        using StringWriter output = new(), errors = new();
        Console.SetOut(output);
        Console.SetError(errors);
        try
        {
            int code = Task.Run(() => CommandLine.RunAsync(AlproCommand.Create(), arguments)).GetAwaiter().GetResult();
            lock (Console.Out)
                lock (Console.Error) return (code, output.ToString(), errors.ToString());
        }
        finally
        {
            Console.SetOut(console);
            Console.SetError(log);
        }
    }

    /// <summary>Runs a command to its end, in a process of its own.</summary>
    public static (int Code, string Output, string Errors) RunAlone(params string[] arguments)
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
