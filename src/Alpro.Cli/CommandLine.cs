using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Alpro.Actors;
using Alpro.Data;
using Alpro.Data.Media;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Records;
using Spectre.Console;

namespace Alpro.Cli;

/// <summary>
/// What all commands share: where results, progress and errors go, and what the exit code means. Results go to standard output
/// (as one JSON line with <c>--json</c>), everything else to standard error.
/// </summary>
public static class CommandLine
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The option every command has.</summary>
    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "Print the result as one line of JSON on standard output.",
        Recursive = true,
    };

    /// <summary>Standard output, for results.</summary>
    public static IAnsiConsole Output { get; } = CreateConsole(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error, for progress and messages.</summary>
    public static IAnsiConsole Error { get; } = CreateConsole(Console.Error, Console.IsErrorRedirected);

    /// <summary>Prints a command's result: one JSON line with <c>--json</c>, else what <paramref name="show"/> draws.</summary>
    public static void Result<T>(ParseResult arguments, T result, Action<IAnsiConsole> show)
    {
        if (arguments.GetValue(Json)) Console.Out.WriteLine(JsonSerializer.Serialize(result, _json));
        else show(Output);
    }

    /// <summary>Describes a command with an example, as <c>--help</c> prints it.</summary>
    public static string Describe(string summary, string example) => $"{summary}{Environment.NewLine}{Environment.NewLine}  Example: {example}";

    /// <summary>An option with bounds: a number that is outside of them is refused, and what is no number is the parser's to refuse.</summary>
    public static Option<T> Between<T>(Option<T> option, double least, double most = double.PositiveInfinity)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is not [{ Value: var text }] || !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)) return;
            if (number < least) result.AddError($"{option.Name} must be at least {least}.");
            if (number > most) result.AddError($"{option.Name} must be at most {most}.");
        });
        return option;
    }

    /// <summary>Parses and runs, turning every way to fail into a message and an exit code.</summary>
    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            foreach (string problem in ParseProblems.Of(parsed)) Console.Error.WriteLine($"alpro: {problem}");
            Console.Error.WriteLine($"alpro: '{CommandPath(parsed)} --help' shows what is expected.");
            return ExitCode.BadInput;
        }
        bool stopsInOrder = parsed.Action is AsynchronousCommandLineAction;
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopInOrder);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopInOrder);
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Console.Error.WriteLine("alpro: stopped");
            return ExitCode.Interrupted;
        }
        catch (Exception error) when (DeviceFaults.Of(error) == DeviceFault.Lost)
        {
            Console.Error.WriteLine(LostDevice.Sentence(error));
            return ExitCode.DeviceLost;
        }
        catch (DeviceMemoryException error)
        {
            Console.Error.WriteLine($"alpro: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error) when (IsBadInput(error))
        {
            Console.Error.WriteLine($"alpro: {error.Message}");
            return ExitCode.BadInput;
        }
#pragma warning disable CA1031 // The last place to catch: a failure must become a message and an exit code, never a silent one.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Console.Error.WriteLine($"alpro: {error.Message}{(IsExplained(error) ? "" : TraceOf(error))}");
            return ExitCode.Failure;
        }

        // The first signal asks a command that can to stop in order (checkpoint, then exit); any other ends the process at once.
        void StopInOrder(PosixSignalContext signal)
        {
            if (!stopsInOrder || stop.IsCancellationRequested) return;
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool redirected)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected) console.Profile.Width = 200;                 // a file has no right edge at which to wrap
        return console;
    }

    private static bool IsBadInput(Exception error) =>
        error is UsageException or DataException or CheckpointException or ConfigException or UnreadableClipException or RunFolderHeldException;

    /// <summary>Whether the message of a failure says all that a person needs.</summary>
    private static bool IsExplained(Exception error) => error is RunFailedException or NonFiniteLossException;

    /// <summary>Where the trace of a failure is; the trace, where no file has room for it.</summary>
    private static string TraceOf(Exception error) => TraceFile.TryAdd($"{Environment.CommandLine}{Environment.NewLine}{error}")
        ? $" ({error.GetType().Name}; where in the program: {TraceFile.Path})"
        : $"{Environment.NewLine}{error}";

    private static string CommandPath(ParseResult parsed)
    {
        var names = new List<string>();
        for (SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
            if (at is CommandResult command) names.Insert(0, command.Command is RootCommand ? "alpro" : command.Command.Name);
        return string.Join(' ', names);
    }
}
