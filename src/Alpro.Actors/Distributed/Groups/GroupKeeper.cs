using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Tools.Singleton;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Training.Checkpoints;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Groups;

/// <summary>
/// Forms the groups of trainers, as a singleton on the oldest coordinator's node. A group is as many of the free trainers as a step's clips
/// can be shared out to. When one of them is lost, the others form the next group at once. When one comes, the keeper dissolves the group
/// for a larger one. It keeps nothing that it does not learn again. The trainers' reports say who trains; its folder says which number is
/// the next, and whether the run is over. So it may die and begin anew, here or elsewhere, while the trainers go on in the group that they
/// have.
/// </summary>
internal sealed class GroupKeeper : ReceiveActor, IWithTimers
{
    /// <summary>Sent by a <see cref="GroupMember"/> twice a second.</summary>
    /// <param name="Endpoint">Where it listens for its neighbour in a ring, <c>host:port</c>.</param>
    /// <param name="Generation">The last group it was told to enter; 0 for none.</param>
    /// <param name="InGroup">Whether it is in that group, or about to be.</param>
    /// <param name="Step">Steps behind the weights that it had when it was last free; 0 where it had none.</param>
    public sealed record Report(string Endpoint, long Generation, bool InGroup, long Step) : IWireMessage;

    /// <summary>Sent by a <see cref="RunSupervisor"/> of a trainer when its run is over.</summary>
    /// <param name="Completed">Whether all steps are done; else it was asked to stop.</param>
    public sealed record Ended(bool Completed) : IWireMessage;

    private sealed record Look
    {
        public static readonly Look Instance = new();
    }

    /// <summary>Name under <c>/user</c> of what starts the keeper.</summary>
    internal const string ManagerName = "trainers";

    private const string Name = "keeper";

    /// <summary>Trainers that lost the same neighbour come within this time.</summary>
    private static readonly TimeSpan _sameLoss = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan _lookEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Whoever has been silent for so long is not asked into a group. The cluster takes far longer to give a dead node up; nobody waits for
    /// that.
    /// </summary>
    private static readonly TimeSpan _silence = TimeSpan.FromSeconds(2);

    private readonly ILogger _log = Context.System.Log();
    private readonly TrainingRun _run;
    private readonly int _least;
    private readonly Func<IReadOnlyCollection<Address>> _trainers;
    private readonly TaskCompletionSource<bool> _ended;
    private readonly CancellationToken _stop;
    private readonly TimeProvider _time;
    private readonly TimeSpan _settle;
    private readonly Generations _generations;
    private readonly CheckpointStore _store;
    private readonly RunEnd _end;
    private readonly Dictionary<IActorRef, Report> _members = [];
    private readonly Dictionary<IActorRef, DateTimeOffset> _heard = [];
    private readonly Dictionary<IActorRef, GroupMember.Form> _told = [];   // what each of the last group was told
    private HashSet<IActorRef> _group = [];
    private DateTimeOffset _changed;
    private long _generation = -1;                                   // before it has been looked up
    private string _waiting = "";
    private int _tooFew;                                             // the trainers that were said to be too few
    private bool _heardAll, _over, _stopping;

    /// <summary>A keeper that forms no group before there are enough trainers.</summary>
    /// <param name="run">The run, whose folder the trainers share.</param>
    /// <param name="least">Trainers without which it waits.</param>
    /// <param name="trainers">The trainers' nodes that are in the cluster.</param>
    /// <param name="ended">Given the end of the run: whether all steps are done.</param>
    /// <param name="time">The clock.</param>
    /// <param name="settle">Time without news of free trainers before a group is formed.</param>
    /// <param name="stop">Asks to have the trainers stop, with a checkpoint.</param>
    public GroupKeeper(TrainingRun run, int least, Func<IReadOnlyCollection<Address>> trainers, TaskCompletionSource<bool> ended,
        TimeProvider time,
        TimeSpan settle, CancellationToken stop)
    {
        (_run, _least, _trainers, _ended, _time, _settle, _stop) = (run, least, trainers, ended, time, settle, stop);
        (_generations, _store) = (new(run.Folder), run.Store());
        _end = new(_store);
        Receive<Report>(OnReport);
        Receive<Look>(_ => OnLook());
        Receive<Terminated>(message => OnGone(message.ActorRef));
        Receive<Ended>(message =>
        {
            _stopping |= !message.Completed;
            EndRun(member => !_group.Contains(member));
            if (_members.Keys.FirstOrDefault(member => member.Path.Address == Sender.Path.Address) is { } ended) OnGone(ended);
        });
    }

    /// <summary>
    /// What starts, on the oldest of the coordinators' nodes, the keeper of a run; under <see cref="ManagerName"/> on each of them.
    /// </summary>
    internal static Props Manager(ActorSystem system, TrainingRun run, int least, TaskCompletionSource<bool> ended, CancellationToken stop)
    {
        TimeProvider time = TimeProvider.System;
        string trainer = ClusterNode.RoleName(NodeRole.Trainer);
        // One that is not up yet has just been started.
        Func<IReadOnlyCollection<Address>> trainers = () => [.. Akka.Cluster.Cluster.Get(system).State.Members
            .Where(member => member.HasRole(trainer) && member.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp))
            .Select(member => member.Address)];
        TimeSpan settle = _sameLoss;
        Props keeper = Props.Create(() => new GroupKeeper(run, least, trainers, ended, time, settle, stop));
        return ClusterSingletonManager.Props(keeper, PoisonPill.Instance,
            ClusterSingletonManagerSettings.Create(system).WithRole(ClusterNode.RoleName(NodeRole.Coordinator)).WithSingletonName(Name));
    }

    /// <summary>Where a cluster's keeper is; null while there is none that can be reached.</summary>
    internal static ActorSelection? Find(ActorSystem system, ICluster cluster)
    {
        ClusterEvent.CurrentClusterState state = cluster.State;
        Member? oldest = null;
        foreach (Member member in state.Members.Where(
            member => member.HasRole(ClusterNode.RoleName(NodeRole.Coordinator))
            && member.Status is MemberStatus.Up or MemberStatus.Leaving))
            if (oldest is null || member.IsOlderThan(oldest)) oldest = member;
        return oldest is null || state.Unreachable.Contains(oldest) ? null
            : system.ActorSelection(new RootActorPath(oldest.Address) / "user" / ManagerName / Name);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _changed = _time.GetUtcNow();
        Timers.StartPeriodicTimer(nameof(Look), Look.Instance, _lookEvery);
    }

    /// <inheritdoc/>
    protected override void PreRestart(Exception reason, object message)
    {
        _ended.TrySetException(reason);                              // the run's folder, most likely: this node is of no use
        base.PreRestart(reason, message);
    }

    private void Begin()
    {
        _generation = _generations.Last();
        _log.KeeperStarted(_generation);
    }

    private void OnReport(Report report)
    {
        if (!ClusterNode.TryParseEndpoint(report.Endpoint, out _))
        {
            _log.ReportRefused(Sender.Path.Address.Endpoint(), report.Endpoint);
            return;
        }
        if (!_members.TryGetValue(Sender, out Report? before)) Context.Watch(Sender);
        // What it was told may have been lost with a connection. Told twice, it is no news.
        if (_over && (before is null || !report.InGroup)) Sender.Tell(GroupMember.StopRun.Instance);
        else if (!report.InGroup && report.Generation < _generation && _told.TryGetValue(Sender, out GroupMember.Form? form))
            Sender.Tell(form);
        if (before?.InGroup != report.InGroup) _changed = _time.GetUtcNow();
        _members[Sender] = report;
        _heard[Sender] = _time.GetUtcNow();
    }

    private void OnGone(IActorRef member)
    {
        Context.Unwatch(member);
        _heard.Remove(member);
        if (_members.Remove(member)) _changed = _time.GetUtcNow();
    }

    /// <summary>The run is over, or shall be: those are told who would not find out by themselves.</summary>
    private void EndRun(Func<IActorRef, bool> told)
    {
        _over = true;
        foreach (IActorRef member in _members.Keys.Where(told)) member.Tell(GroupMember.StopRun.Instance);
    }

    private void OnLook()
    {
        if (_generation < 0) Begin();
        if (_generation > 0)
            _group.UnionWith(_members.Where(member => member.Value.Generation == _generation).Select(member => member.Key));
        _heardAll = _heardAll || HaveHeardAll();
        if (_stop.IsCancellationRequested && !_stopping)
        {
            _stopping = true;
            EndRun(static _ => true);
        }
        if (_heardAll && _members.Count == 0) EndIfDone();
        if (_over || _time.GetUtcNow() - _changed < _settle) return;
        IActorRef[] free =
            [.. _members.Where(member => !member.Value.InGroup && _time.GetUtcNow() - _heard[member.Key] < _silence
            && (member.Value.Generation == _generation || !_group.Contains(member.Key)))
            .OrderByDescending(member => member.Value.Step).ThenBy(member => member.Value.Endpoint,
            StringComparer.Ordinal).Select(member => member.Key)];
        if (free.Length == 0) return;
        // A member that was told to enter the group and reports an older one has not read that yet.
        bool whole = _group.Count > 0 && _group.All(
            member => _members.TryGetValue(member, out Report? report) && (report.InGroup || report.Generation < _generation));
        if (!whole) Form(free);
        else if (_heardAll && Largest(_group.Count + free.Length) > _group.Count)
            foreach (IActorRef member in _group) member.Tell(new GroupMember.Disband(_generation));
    }

    /// <summary>
    /// Whether every trainer's node has reported that was in the cluster before this keeper: it may hold the newest weights.
    /// </summary>
    private bool HaveHeardAll()
    {
        IEnumerable<Address> silent = _trainers().Except(_members.Keys.Select(member => member.Path.Address));
        string waiting = string.Join(", ", silent.Select(trainer => trainer.Endpoint()));
        if (waiting.Length > 0 && waiting != _waiting) _log.TrainersAwaited(waiting);
        _waiting = waiting;
        return waiting.Length == 0;
    }

    private void EndIfDone()
    {
        bool done = _end.Find() is not null;
        if (done || _stopping) _ended.TrySetResult(done);
        else if (_over) _log.LastCheckpointMissing();
        _over = done || _stopping;
    }

    private void Form(IActorRef[] free)
    {
        int world = Largest(free.Length);
        if (world < _least)
        {
            if (world == _tooFew) return;
            _log.TrainersTooFew(world, _least);
            foreach (IActorRef member in free) member.Tell(GroupMember.AwaitOthers.Instance);
            _tooFew = world;
            return;
        }
        _tooFew = 0;
        Dictionary<IActorRef, Report> ranks = free.Take(world).ToDictionary(member => member, member => _members[member]);
        long furthest = ranks.Values.Max(report => report.Step);
        bool fromCheckpoint = _store.Steps() is [.., long saved] && saved > furthest;
        // Without one of its ranks the last group cannot do a step, and none is further than that one. Otherwise that group may go on, or
        // one of its ranks may have newer weights than anybody here. This holds until the cluster gives those ranks up.
        if (!ranks.Values.Any(report => report.Generation == _generation && report.Step > 0))
        {
            if (!_heardAll || _members.Any(other => !ranks.ContainsKey(other.Key) && (other.Value.InGroup || other.Value.Step > furthest)))
                return;
            if (fromCheckpoint && _end.Find() is not null)
            {
                EndRun(static _ => true);
                return;
            }
        }
        _generation = _generations.Next();
        _group = [.. ranks.Keys];
        // The furthest is first: of the last step, which the first rank before may have died too soon to write down, it has the record.
        IActorRef[] ordered = free[..world];
        string[] endpoints = [.. ordered.Select(member => ranks[member].Endpoint)];
        string[] nodes = [.. ordered.Select(member => member.Path.Address.Endpoint())];
        _told.Clear();
        for (int rank = 0; rank < world; rank++)
            ordered[rank].Tell(_told[ordered[rank]] = new(_generation, rank, endpoints, fromCheckpoint, nodes));
        ActorMetrics.GroupFormed(_generation, world);
        _log.GroupFormed(_generation, world, string.Join(", ", endpoints));
    }

    private int Largest(int trainers)
    {
        while (trainers > 1 && !_run.Config.CanShare(trainers)) trainers--;
        return trainers;
    }
}
