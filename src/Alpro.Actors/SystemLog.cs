using Akka.Actor;
using Akka.Actor.Setup;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Actors;

/// <summary>The log that an actor system is started with: its actors write their events there, beside those of the process.</summary>
internal sealed class LogSetup(ILogger log) : Setup
{
    public ILogger Log { get; } = log;
}

/// <summary>How actors find it, and name nodes there.</summary>
internal static class SystemLog
{
    /// <summary>The log of an actor system; one that keeps nothing where it was started without.</summary>
    public static ILogger Log(this ActorSystem system) =>
        system.Settings.Setup.Get<LogSetup>() is { HasValue: true, Value: var setup } ? setup.Log : NullLogger.Instance;

    /// <summary>A node as people and events name it, <c>host:port</c>.</summary>
    public static string Endpoint(this Address address) => $"{address.Host}:{address.Port}";
}
