using Akka.Actor;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>
/// The decode node's end of a link to one process that packs. It offers the node's encoders, makes a connection for each, and ends when one
/// of them does. The <see cref="PackSupervisor"/> then starts the next link, which offers itself anew.
/// </summary>
internal sealed class PackLink : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="PackGate"/>: connect there, and show a token each.</summary>
    public sealed record Welcome(string Host, int Port, IReadOnlyList<string> Tokens) : IWireMessage;

    private sealed record OfferNow
    {
        public static readonly OfferNow Instance = new();
    }

    private sealed record Closed;

    /// <summary>The wait before an offer, and before one to a packer with which this node does not agree.</summary>
    private static readonly TimeSpan _offerEvery = TimeSpan.FromMilliseconds(500), _refused = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();

    /// <summary>A link to the packer at an address.</summary>
    /// <param name="packer">The address.</param>
    /// <param name="source">What the node packs from.</param>
    /// <param name="encoders">Clips that it encodes at once.</param>
    /// <param name="certificates">The node's certificates.</param>
    /// <param name="disagreed">Told why this node cannot pack for it.</param>
    public PackLink(Address packer, PackSource source, int encoders, NodeCertificates? certificates, Action<string> disagreed)
    {
        ActorSelection gate = Context.ActorSelection(new RootActorPath(packer) / "user" / PackGate.Name);
        Receive<OfferNow>(_ => gate.Tell(new PackGate.Offer(encoders)));
        Receive<Welcome>(message =>
        {
            Timers.Cancel(nameof(OfferNow));
            ServeAsync(message).PipeTo(Self, success: () => new Closed(), failure: static error => new Status.Failure(error));
        });
        Receive<Closed>(_ => Context.Stop(Self));
        Receive<Status.Failure>(message =>
        {
            if (message.Cause is not CannotPackException) throw message.Cause;
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
            await using (stream) await source.ServeAsync(stream, end);
        }
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(OfferNow), OfferNow.Instance, _offerEvery, _offerEvery);

    /// <inheritdoc/>
    protected override void PostStop() => _stop.Cancel();
}
