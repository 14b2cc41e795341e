using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors;

/// <summary>
/// Brings what Akka says of its own affairs into the log of the process. Nodes come and go, and Akka reports each connection that fails: what that means for a run
/// the events of our own say, so these are for whoever debugs. They also go, with traces, into <see cref="TraceFile"/>, which a node names once.
/// </summary>
internal sealed class ActorLog : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private readonly ILogger _log = Context.System.Log();
    private bool _named;

    public ActorLog()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(Write);
    }

    private void Write(LogEvent entry)
    {
        _log.ActorSystemSpoke(entry.LogSource, entry.Cause is { } cause ? $"{entry.Message}: {cause.Message}" : $"{entry.Message}");
        if (!TraceFile.TryAdd(entry.ToString()) || _named || !Context.System.Settings.HasCluster) return;
        _named = true;
        _log.TraceWritten(TraceFile.Path);
    }
}
