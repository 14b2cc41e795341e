using System.Diagnostics;
using System.Text;
using Alpro.Actors;

namespace Alpro.Chaos;

/// <summary>The program as a process of its own, mostly as a node of a cluster. It is killed with this object, if it still runs.</summary>
internal sealed class NodeProcess : IDisposable
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly List<NodeEvent> _events = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NodeProcess(Process process) => _process = process;

    /// <summary>What it has written to standard error.</summary>
    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    /// <summary>The events that it has written there.</summary>
    public IReadOnlyList<NodeEvent> Events
    {
        get
        {
            lock (_errors) return [.. _events];
        }
    }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Its number in the system.</summary>
    public int Id => _process.Id;

    /// <summary>The exit code of one that has ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>
    /// Starts a node of a quick cluster, where no other running settings are named, and without a page, where none is; it goes on while
    /// others start.
    /// </summary>
    public static NodeProcess Start(params string[] arguments)
    {
        return StartProgram(["node", .. arguments, .. Unless("--hocon", QuickCluster.File), .. Unless("--page", "off")]);

        string[] Unless(string option, string value) => arguments.Contains(option) ? [] : [option, value];
    }

    /// <summary>Starts the program with any command.</summary>
    /// <param name="arguments">The command and its arguments.</param>
    /// <param name="said">Told of every line that it writes to standard error, and of the event that the line is, on any thread.</param>
    /// <param name="inside">The words of a command that runs another in its place, such as <c>ip netns exec NAME</c>.</param>
    public static NodeProcess StartProgram(
        IEnumerable<string> arguments, Action<string, NodeEvent?>? said = null, IEnumerable<string>? inside = null)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "alpro.dll");
        string[] words = [.. inside ?? [], "dotnet", "exec", program, .. arguments, "--log-format", "json"];
        var start = new ProcessStartInfo(words[0], words[1..])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_GCgen0size"] = "0x8000000", ["OMP_WAIT_POLICY"] = "PASSIVE" },
        };
        var node = new NodeProcess(new Process { StartInfo = start, EnableRaisingEvents = true });
        node._process.Exited += (_, _) => node._ready.TrySetException(new InvalidOperationException($"the node ended: {node.Errors}"));
        node._process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            NodeEvent? written = NodeEvent.Parse(line.Data);
            lock (node._errors)
            {
                node._errors.AppendLine(line.Data);
                if (written is not null) node._events.Add(written);
            }
            if (written?.Name == nameof(ActorEvents.Ready)) node._ready.TrySetResult();
            said?.Invoke(line.Data, written);
        };
        node._process.Start();
        node._process.BeginErrorReadLine();
        return node;
    }

    /// <summary>Waits until the node is a member.</summary>
    public Task ReadyAsync() => _ready.Task.WaitAsync(_deadline);

    /// <summary>Ends the process as <c>kill -9</c> does.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Asks the process to end.</summary>
    public void Terminate() => Signal("TERM");

    /// <summary>Asks the process to end as Ctrl-C does.</summary>
    public void Interrupt() => Signal("INT");

    /// <summary>Stops the process where it is, until it is thawed.</summary>
    public void Freeze() => Signal("STOP");

    /// <summary>Lets a frozen process go on.</summary>
    public void Thaw() => Signal("CONT");

    /// <summary>Whether an event has been written.</summary>
    /// <param name="name">Which.</param>
    /// <param name="fits">What its fields must be.</param>
    public bool Has(string name, Func<NodeEvent, bool>? fits = null) =>
        Events.Any(written => written.Name == name && fits?.Invoke(written) != false);

    /// <summary>Waits until an event has been written.</summary>
    /// <param name="name">Which.</param>
    /// <param name="fits">What its fields must be.</param>
    public async Task SaysAsync(string name, Func<NodeEvent, bool>? fits = null)
    {
        var clock = Stopwatch.StartNew();
        while (!Has(name, fits))
        {
            if (HasEnded) throw new InvalidOperationException($"the node ended without {name}: {Errors}");
            if (clock.Elapsed > _deadline) throw new TimeoutException($"the node did not come to {name}: {Errors}");
            await Task.Delay(20);
        }
    }

    /// <summary>Waits for the process's end; its exit code and what it wrote to standard output.</summary>
    public async Task<(int Code, string Output)> EndAsync(TimeSpan? within = null)
    {
        using var deadline = new CancellationTokenSource(within ?? _deadline);
        string output = await _process.StandardOutput.ReadToEndAsync(deadline.Token);
        await _process.WaitForExitAsync(deadline.Token);
        return (_process.ExitCode, output);
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        kill.WaitForExit();
    }
}
