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
using Alpro.Data.Places;
using Alpro.Model.Arithmetic.Kernels;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Alpro.Cli;

/// <summary>
/// What all commands share: where results, progress and errors go, and what the exit code means. Results go to standard output
/// (as one JSON line with <c>--json</c>), everything else to standard error.
/// </summary>
public static class CommandLine
{
    internal static JsonSerializerOptions JsonSettings { get; } = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    private const string VerbosityVariable = "ALPRO_LOG", FormatVariable = "ALPRO_LOG_FORMAT";

    private static readonly Option<LogVerbosity> _verbosity = new("--log")
    {
        Description = $"The least important events that are written to standard error; info by default, or what {VerbosityVariable} says.",
        Recursive = true,
    };

    private static readonly Option<LogFormat> _format = new("--log-format")
    {
        Description = $"How events are written: text (the default), or json, an object a line for programs; or as {FormatVariable} says.",
        Recursive = true,
    };

    /// <summary>Prints results as JSON.</summary>
    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "Print the result as one line of JSON on standard output.",
        Recursive = true,
    };

    /// <summary>The options every command has.</summary>
    internal static IReadOnlyList<Option> CommonOptions => [Json, _verbosity, _format];

    /// <summary>The log of this process.</summary>
    internal static EventLog Events { get; private set; } = new(Console.Error);

    /// <summary>Where commands write their events.</summary>
    internal static ILogger Log => Events.Logger;

    /// <summary>Standard output, for results.</summary>
    public static IAnsiConsole Output { get; private set; } = CreateConsole(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error, for progress.</summary>
    public static IAnsiConsole Error { get; private set; } = CreateConsole(Console.Error, Console.IsErrorRedirected);

    /// <summary>Prints a command's result: one JSON line with <c>--json</c>, else what <paramref name="show"/> draws.</summary>
    public static void Result<T>(ParseResult arguments, T result, Action<IAnsiConsole> show)
    {
        if (arguments.GetValue(Json)) Console.Out.WriteLine(JsonSerializer.Serialize(result, JsonSettings));
        else show(Output);
    }

    /// <summary>Describes a command with an example, as <c>--help</c> prints it.</summary>
    public static string Describe(string summary, string example) =>
        $"{summary}{Environment.NewLine}{Environment.NewLine}  Example: {example}";

    /// <summary>
    /// An option with bounds: a number that is outside of them is refused, and what is no number is the parser's to refuse.
    /// </summary>
    public static Option<T> Between<T>(Option<T> option, double least, double most = double.PositiveInfinity)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is not [{ Value: var text }] || !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture,
                out double number)) return;
            if (number < least) result.AddError($"{option.Name} must be at least {least}.");
            if (number > most) result.AddError($"{option.Name} must be at most {most}.");
        });
        return option;
    }

    /// <summary>
    /// Parses and runs, turning every way to fail into a message and an exit code. One command at a time: it writes to the console as it is
    /// when the command begins.
    /// </summary>
    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        Output = CreateConsole(Console.Out, Console.IsOutputRedirected);
        Error = CreateConsole(Console.Error, Console.IsErrorRedirected);
        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        LogVerbosity least = Choice(parsed, _verbosity, VerbosityVariable) ?? LogVerbosity.Info;
        Events = new(Console.Error, least, Choice(parsed, _format, FormatVariable) ?? LogFormat.Text);
        CudaLauncher.Refused = static reason => Log.KernelsRefused(reason);
        StoreNews.Away = static (store, reason, lasted) => Log.StoreAway(store, lasted.TotalSeconds, reason);
        StoreNews.Back = static (store, lasted) => Log.StoreBack(store, lasted.TotalSeconds);
        StoreNews.Unwritable = static (folder, reason) => Log.CacheUnwritable(folder, reason);
        string[] problems = parsed.Action is HelpAction ? [] :
        [
            .. parsed.Errors.Count > 0 ? ParseProblems.Of(parsed) : [],
            .. ProblemsOf<LogVerbosity>(VerbosityVariable), .. ProblemsOf<LogFormat>(FormatVariable),
        ];
        if (problems.Length > 0)
        {
            foreach (string problem in problems) Log.WordsRefused(problem);
            Log.HelpOffered(CommandPath(parsed));
            return ExitCode.BadInput;
        }
        bool stopsInOrder = parsed.Action is AsynchronousCommandLineAction;
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopInOrder);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopInOrder);
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            }, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Log.CommandStopped();
            return ExitCode.Interrupted;
        }
        catch (Exception error) when (DeviceFaults.Of(error) == DeviceFault.Lost)
        {
            Log.DeviceLost(DeviceFaults.Words(error));
            return ExitCode.DeviceLost;
        }
        catch (DeviceMemoryException error)
        {
            Log.CommandFailed(error.Message);
            return ExitCode.Failure;
        }
        catch (Exception error) when (IsBadInput(error))
        {
            Log.CommandFailed(error.Message);
            return ExitCode.BadInput;
        }
#pragma warning disable CA1031 // The last place to catch: a failure must become a message and an exit code, never a silent one.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Log.CommandFailed($"{error.Message}{(IsExplained(error) ? "" : TraceOf(error))}");
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

    /// <summary>What was chosen on the command line, or else in the environment; null where neither says so, or it is refused.</summary>
    private static T? Choice<T>(ParseResult parsed, Option<T> option, string variable)
        where T : struct, Enum
    {
        return Choice<T>(parsed.GetResult(option) is { Tokens: [{ Value: var given }] } ? given
            : Environment.GetEnvironmentVariable(variable));
    }

    private static T? Choice<T>(string? words)
        where T : struct, Enum => Enum.TryParse(words, ignoreCase: true, out T choice) && Enum.IsDefined(choice) ? choice : null;

    private static IEnumerable<string> ProblemsOf<T>(string variable)
        where T : struct, Enum =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } words && Choice<T>(words) is null
            ? [$"{variable}={words}: expected {ConfigLoader.Expected(typeof(T))}"] : [];

    private static IAnsiConsole CreateConsole(TextWriter writer, bool redirected)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected) console.Profile.Width = 200;                 // a file has no right edge at which to wrap
        return console;
    }

    private static bool IsBadInput(Exception error) =>
        error is UsageException or DataException or CheckpointException or ConfigException or UnreadableClipException
        or RunFolderHeldException;

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
