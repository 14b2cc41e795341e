using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors;

/// <summary>
/// Brings what Akka says of its own affairs into the log of the process, for whoever debugs. Akka reports each connection that fails where
/// nodes come and go; what that means for a run, other events say. All of it also goes, with traces, into <see cref="TraceFile"/>, which a
/// node names once.
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
