using Akka.Actor;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Runs;
using Alpro.Data.Clips;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// Lets decode nodes in, at <c>/user/decoders</c> of the node that trains. A node that offers its decoders is told where to bring clips,
/// and receives a token that is good once. The connection that shows the token becomes a <see cref="TrainerLink"/> into the stream that is
/// served. When the stream ends, its links end, and the nodes offer themselves again.
/// </summary>
internal sealed class TrainerGate : ReceiveActor
{
    /// <summary>Name of the gate under <c>/user</c>.</summary>
    public const string Name = "decoders";

    /// <summary>Sent by the <see cref="RunSupervisor"/> when a stream has begun: decode nodes may join it.</summary>
    /// <param name="Pipeline">The <see cref="ClipPipeline"/>.</param>
    /// <param name="Clips">How its clips are made.</param>
    /// <param name="Numbers">What they may name by number.</param>
    /// <param name="Data">What decides a clip, as <see cref="RunData.Describe"/> says it.</param>
    /// <param name="Ledger">The accounts of its clips.</param>
    public sealed record Serve(
        IActorRef Pipeline, ClipSettings Clips, ClipNumbers Numbers, IReadOnlyDictionary<string, string> Data, ClipLedger Ledger);

    /// <summary>Sent by a <see cref="DecoderNodeLink"/> on a decode node, again and again until it is answered.</summary>
    /// <param name="Decoders">Clips it makes at once.</param>
    /// <param name="Data">What decides a clip over there.</param>
    public sealed record Offer(int Decoders, IReadOnlyDictionary<string, string> Data) : IWireMessage;

    private sealed record Proven(string Token, Stream Stream);

    private sealed record Invitation(IActorRef Node, int Decoders);

    /// <summary>Most clips a node may have in hand.</summary>
    private const int MaxClipsPerNode = 256;

    private readonly ICluster _cluster;
    private readonly IDataPort _port;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<string, Invitation> _invited = [];   // by token
    private readonly Dictionary<IActorRef, string> _tokens = [];
    private Serve? _stream;

    /// <summary>A gate that listens on the node's data port.</summary>
    /// <param name="cluster">The cluster that the node is a member of.</param>
    /// <param name="port">The port, which is the gate's.</param>
    public TrainerGate(ICluster cluster, IDataPort port)
    {
        (_cluster, _port) = (cluster, port);
        Receive<Serve>(message =>
        {
            EndLinks();                                              // of the stream before, which may not have ended yet
            _stream = message;
            Context.Watch(message.Pipeline);
        });
        Receive<Offer>(OnOffer);
        Receive<Proven>(OnProven);
        Receive<Terminated>(message => OnStreamEnded(message.ActorRef));
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        IActorRef self = Self;
        _port.ListenAsync((token, stream) => self.Tell(new Proven(token, stream)), _log.DataConnectionRefused, _stop.Token).PipeTo(self);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stop.Cancel();
        _port.Dispose();
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => Akka.Actor.SupervisorStrategy.StoppingStrategy;

    private void OnOffer(Offer offer)
    {
        if (_stream is null) return;                                 // it will ask again
        if (Differences(_stream.Data, offer.Data) is { Length: > 0 } differences)
        {
            _log.DecodeNodeRefused(Sender.Path.Address.Endpoint(), differences);
            Sender.Tell(new DecoderNodeLink.Refused(differences));
            return;
        }
        if (_tokens.Remove(Sender, out string? earlier)) _invited.Remove(earlier);
        string token = DataPlane.NewToken();
        (_tokens[Sender], _invited[token]) = (token, new(Sender, offer.Decoders));
        Sender.Tell(new DecoderNodeLink.Welcome(_port.Host, _port.Port, token));
    }

    private void OnProven(Proven message)
    {
        if (_stream is not { } stream || !_invited.Remove(message.Token, out Invitation? invitation))
        {
            message.Stream.Dispose();
            _log.DataConnectionRefused("its token was not given out, or is used");
            return;
        }
        _tokens.Remove(invitation.Node);
        // One clip in each decoder's hands, and one on its way: an idle decoder has its next request at once.
        ICluster cluster = _cluster;
        int clips = Math.Clamp(2 * invitation.Decoders, 1, MaxClipsPerNode);
        Context.ActorOf(Props.Create(() => new TrainerLink(stream, cluster, invitation.Node, clips, message.Stream)));
    }

    private void OnStreamEnded(IActorRef pipeline)
    {
        if (_stream is null || !_stream.Pipeline.Equals(pipeline)) return;
        _stream = null;
        EndLinks();
    }

    private void EndLinks()
    {
        _invited.Clear();
        _tokens.Clear();
        foreach (IActorRef link in Context.GetChildren()) Context.Stop(link);
    }

    private static string Differences(IReadOnlyDictionary<string, string> here, IReadOnlyDictionary<string, string> there) =>
        string.Join("; ", here.Keys.Union(there.Keys).Where(key => here.GetValueOrDefault(key) != there.GetValueOrDefault(key))
        .Select(key =>
            $"{key}: the run has {here.GetValueOrDefault(key) ?? "none"}, the node {there.GetValueOrDefault(key) ?? "none"}"));
}
