using Akka.Actor;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;

namespace Alpro.Actors.Distributed.Work;

/// <summary>
/// The node's end of a link to one process that it helps. It offers the node's workers, makes a connection for each, and ends when one of
/// them does. The <see cref="WorkSupervisor"/> then starts the next link, which offers itself anew.
/// </summary>
internal sealed class WorkLink : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="WorkGate"/>: connect there, and show a token each.</summary>
    public sealed record Welcome(string Host, int Port, IReadOnlyList<string> Tokens) : IWireMessage;

    private sealed record OfferNow
    {
        public static readonly OfferNow Instance = new();
    }

    private sealed record Closed;

    /// <summary>The wait before an offer, and before one to a process with which this node does not agree.</summary>
    private static readonly TimeSpan _offerEvery = TimeSpan.FromMilliseconds(500), _refused = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();

    /// <summary>A link to the process at an address.</summary>
    /// <param name="helped">The address.</param>
    /// <param name="help">What the node helps with.</param>
    /// <param name="certificates">The node's certificates.</param>
    /// <param name="disagreed">Told why this node cannot help it.</param>
    public WorkLink(Address helped, WorkSupervisor.Help help, NodeCertificates? certificates, Action<string> disagreed)
    {
        ActorSelection gate = Context.ActorSelection(new RootActorPath(helped) / "user" / WorkGate.Name);
        Receive<OfferNow>(_ => gate.Tell(new WorkGate.Offer(help.Workers)));
        Receive<Welcome>(message =>
        {
            Timers.Cancel(nameof(OfferNow));
            ServeAsync(message).PipeTo(Self, success: () => new Closed(), failure: static error => new Status.Failure(error));
        });
        Receive<Closed>(_ => Context.Stop(Self));
        Receive<Status.Failure>(message =>
        {
            if (message.Cause is not CannotHelpException) throw message.Cause;
            disagreed(message.Cause.Message);
            Timers.StartPeriodicTimer(nameof(OfferNow), OfferNow.Instance, _refused, _offerEvery);
        });

        async Task ServeAsync(Welcome welcome)
        {
            using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            List<Task> served = [];
            try
            {
                foreach (string token in welcome.Tokens)
                {
                    Stream stream = await DataPlane.ConnectAsync(welcome.Host, welcome.Port, token, certificates, end.Token);
                    served.Add(ServeOneAsync(stream, end.Token));
                }
                await await Task.WhenAny(served);
            }
            finally
            {
                await end.CancelAsync();
                await Task.WhenAll(served).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        async Task ServeOneAsync(Stream stream, CancellationToken end)
        {
            await using (stream) await help.ServeAsync(stream, end);
        }
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(OfferNow), OfferNow.Instance, _offerEvery, _offerEvery);

    /// <inheritdoc/>
    protected override void PostStop() => _stop.Cancel();
}
