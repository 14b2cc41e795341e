using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Alpro.Actors;

/// <summary>
/// Puts what the project's actors report on standard error, a line each. What Akka says of its own affairs, and where in the program
/// something failed, goes into <see cref="TraceFile"/>, which a node names once.
/// </summary>
internal sealed class ActorLog : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private bool _named;

    public ActorLog()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(Write);
    }

    private void Write(LogEvent entry)
    {
        string text = entry.ToString();
        bool own = entry.LogClass?.FullName?.StartsWith("Alpro.", StringComparison.Ordinal) == true;
        if (own) Console.Error.WriteLine(text.Split('\n', 2)[0].TrimEnd());
        if ((own && entry.Cause is null) || !TraceFile.TryAdd(text) || _named || !Context.System.Settings.HasCluster) return;
        _named = true;
        Console.Error.WriteLine($"alpro: what the actor system says more is in {TraceFile.Path}");
    }
}
