using System.Net;
using Akka.Actor;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Runs;
using Alpro.Training.Collectives;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Groups;

/// <summary>
/// A trainer's side of the groups, child of its <see cref="RunSupervisor"/>. It reports to the <see cref="GroupKeeper"/>, and enters the
/// groups that the keeper names. The generation of a group only grows; messages from older generations are ignored.
/// </summary>
internal sealed class GroupMember : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="GroupKeeper"/>: enter a group.</summary>
    /// <param name="Generation">Its number.</param>
    /// <param name="Rank">This trainer's number in it.</param>
    /// <param name="Endpoints">Where its ranks listen, in their order.</param>
    /// <param name="FromCheckpoint">Whether the last checkpoint is further than whoever is in it.</param>
    /// <param name="Nodes">Its ranks' nodes, as the cluster names them.</param>
    public sealed record Form(long Generation, int Rank, IReadOnlyList<string> Endpoints, bool FromCheckpoint, IReadOnlyList<string> Nodes)
        : IWireMessage;

    /// <summary>Sent by the <see cref="GroupKeeper"/>: leave the group, a larger one will form.</summary>
    public sealed record Disband(long Generation) : IWireMessage;

    /// <summary>Sent by the <see cref="GroupKeeper"/>, and on to the <see cref="RunSupervisor"/>: there are too few trainers yet.</summary>
    public sealed record AwaitOthers : IWireMessage
    {
        public static readonly AwaitOthers Instance = new();
    }

    /// <summary>Sent by the <see cref="GroupKeeper"/>: all ranks shall stop, with a checkpoint.</summary>
    public sealed record StopRun : IWireMessage
    {
        public static readonly StopRun Instance = new();
    }

    /// <summary>Sent by the <see cref="RunSupervisor"/> when its trainer is in no group.</summary>
    /// <param name="Step">Steps behind its weights; 0 where it has none.</param>
    public sealed record Free(long Step);

    /// <summary>Told to the <see cref="RunSupervisor"/>: the trainer shall enter this group.</summary>
    /// <param name="Group">The group.</param>
    /// <param name="FromCheckpoint">Whether the last checkpoint is further than whoever is in it.</param>
    /// <param name="Endpoints">Where its ranks listen, in their order.</param>
    /// <param name="Nodes">Its ranks' nodes, as the cluster names them.</param>
    public sealed record Formed(ICollectives Group, bool FromCheckpoint, IReadOnlyList<string> Endpoints, IReadOnlyList<string> Nodes)
    {
        /// <summary>How many of its trainers are on this host.</summary>
        public int Here => Endpoints.Count(endpoint => HostOf(endpoint) == HostOf(Endpoints[Group.Rank]));

        private static string HostOf(string endpoint) => endpoint[..endpoint.LastIndexOf(':')];
    }

    /// <summary>Told to the <see cref="RunSupervisor"/>: the group is over, whatever its trainer waits for.</summary>
    /// <param name="Reason">Why.</param>
    /// <param name="Grows">Whether it makes room for a larger one.</param>
    public sealed record Over(CollectivesException Reason, bool Grows = false);

    private sealed record Joined(IWatchedGroup Ring, Form Form);

    private sealed record ReportAgain
    {
        public static readonly ReportAgain Instance = new();
    }

    private static readonly TimeSpan _reportEvery = TimeSpan.FromMilliseconds(500);

    private readonly ICluster _cluster;
    private readonly IRingPort _port;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _log = Context.System.Log();
    private ICollectives? _group;
    private long _generation, _step;
    private bool _inGroup = true;                                    // until the trainer is free

    /// <summary>A member that listens on the node's ring port.</summary>
    /// <param name="cluster">The cluster that the node is a member of.</param>
    /// <param name="port">The port, which is the member's.</param>
    public GroupMember(ICluster cluster, IRingPort port)
    {
        (_cluster, _port) = (cluster, port);
        Receive<ReportAgain>(_ => Report());
        Receive<Free>(message =>
        {
            _step = message.Step;
            Leave();
        });
        Receive<Form>(OnForm);
        Receive<Joined>(message =>
        {
            Enter(message.Ring, message.Form);
            IActorRef parent = Context.Parent;
            message.Ring.Failed += reason => parent.Tell(new Over(reason));
        });
        Receive<Status.Failure>(message =>
        {
            _log.GroupNotFormed(_generation, message.Cause.Message);
            Leave();
        });
        Receive<Disband>(message =>
        {
            if (message.Generation != _generation || _group is null) return;
            var reason = new CollectivesException(_group.Rank, _generation, "makes room for a larger group");
            _group.Abort(reason);
            Context.Parent.Tell(new Over(reason, Grows: true));
        });
        Receive<AwaitOthers>(Context.Parent.Tell);
        Receive<StopRun>(Context.Parent.Tell);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(ReportAgain), ReportAgain.Instance, _reportEvery);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stop.Cancel();
        _group?.Abort(new OperationCanceledException("this node leaves"));
        _port.Dispose();
    }

    private void OnForm(Form form)
    {
        if (_inGroup || form.Generation <= _generation) return;
        (_generation, _inGroup) = (form.Generation, true);
        if (form.Endpoints.Count == 1)
        {
            Enter(new SoloGroup(form.Generation), form);
            return;
        }
        DnsEndPoint[] endpoints =
            [.. form.Endpoints.Select(text => ClusterNode.TryParseEndpoint(text, out DnsEndPoint? endpoint) ? endpoint : null)
            .OfType<DnsEndPoint>()];
        if (endpoints.Length < form.Endpoints.Count)
        {
            Self.Tell(new Status.Failure(new IOException($"one of its ranks listens nowhere: {string.Join(", ", form.Endpoints)}")));
            return;
        }
        _port.JoinAsync(new(form.Generation, form.Rank, endpoints), _stop.Token)
            .PipeTo(Self, success: ring => new Joined(ring, form), failure: error => new Status.Failure(error));
    }

    private void Enter(ICollectives group, Form form)
    {
        _group = group;
        Context.Parent.Tell(new Formed(group, form.FromCheckpoint, form.Endpoints, form.Nodes));
    }

    private void Leave()
    {
        (_group, _inGroup) = (null, false);
        Report();
    }

    private void Report() =>
        GroupKeeper.Find(Context.System, _cluster)?.Tell(new GroupKeeper.Report(_port.Endpoint, _generation, _inGroup, _step), Self);
}
