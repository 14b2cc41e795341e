using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Alpro.Actors.Tests.Cluster;

/// <summary>A node of a cluster as a process of its own: <c>alpro node …</c>. It is killed with this object, if it still runs.</summary>
internal sealed class NodeProcess : IDisposable
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
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

    /// <summary>Starts a node; it goes on while others start.</summary>
    public static NodeProcess Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "alpro.dll"), "node", .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_GCgen0size"] = "0x8000000", ["OMP_WAIT_POLICY"] = "PASSIVE" },
        };
        var node = new NodeProcess(new Process { StartInfo = start, EnableRaisingEvents = true });
        node._process.Exited += (_, _) => node._ready.TrySetException(new InvalidOperationException($"the node ended: {node.Errors}"));
        node._process.ErrorDataReceived += (_, line) =>
        {
            lock (node._errors) node._errors.AppendLine(line.Data);
            if (line.Data?.StartsWith("ready: ", StringComparison.Ordinal) == true) node._ready.TrySetResult();
        };
        node._process.Start();
        node._process.BeginErrorReadLine();
        return node;
    }

    /// <summary>A port that was free a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Waits until the node is a member.</summary>
    public Task ReadyAsync() => _ready.Task.WaitAsync(_deadline);

    /// <summary>Ends the process as <c>kill -9</c> does.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Asks the process to end.</summary>
    public void Terminate() => Signal("TERM");

    /// <summary>Stops the process where it is.</summary>
    public void Freeze() => Signal("STOP");

    /// <summary>Lets a process go on that was frozen.</summary>
    public void Thaw() => Signal("CONT");

    /// <summary>Waits until the node has said something on standard error.</summary>
    public async Task SaysAsync(string text)
    {
        using var deadline = new CancellationTokenSource(_deadline);
        while (!Errors.Contains(text, StringComparison.Ordinal))
        {
            Assert.False(_process.HasExited, $"the node ended without saying \"{text}\": {Errors}");
            await Task.Delay(20, deadline.Token);
        }
    }

    /// <summary>Waits for the process's end; its exit code and what it wrote to standard output.</summary>
    public async Task<(int Code, string Output)> EndAsync()
    {
        using var deadline = new CancellationTokenSource(_deadline);
        string output = await _process.StandardOutput.ReadToEndAsync(deadline.Token);
        await _process.WaitForExitAsync(deadline.Token);
        return (_process.ExitCode, output);
    }

    private void Signal(string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
