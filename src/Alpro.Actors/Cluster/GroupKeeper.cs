using Akka.Actor;
using Akka.Cluster;
using Alpro.Training;

namespace Alpro.Actors.Cluster;

/// <summary>
/// Forms the groups of trainers, at <c>/user/trainers</c> of the coordinator's node. A group is as many of the free trainers as a step's clips
/// can be shared out to; when one of them is lost the others form the next at once, and when one comes the group is dissolved for a larger.
/// It keeps nothing that it does not learn again from the trainers' reports: a coordinator that is started anew goes on from there.
/// </summary>
public sealed class GroupKeeper : ReceiveActor, IWithTimers
{
    /// <summary>Name of the keeper under <c>/user</c>.</summary>
    public const string Name = "trainers";

    /// <summary>Sent by a <see cref="GroupMember"/> twice a second.</summary>
    /// <param name="Endpoint">Where it listens for its neighbour in a ring, <c>host:port</c>.</param>
    /// <param name="Generation">The last group it was told to enter; 0 for none.</param>
    /// <param name="InGroup">Whether it is in that group, or about to be.</param>
    public sealed record Report(string Endpoint, long Generation, bool InGroup) : IClusterMessage;

    /// <summary>Sent by a <see cref="RunSupervisor"/> of a trainer when its run is over.</summary>
    /// <param name="Completed">Whether all steps are done; else it was asked to stop.</param>
    public sealed record Ended(bool Completed) : IClusterMessage;

    /// <summary>Sent by the coordinator's process: have the trainers stop, with a checkpoint.</summary>
    public sealed record Stop
    {
        /// <summary>The one instance.</summary>
        public static readonly Stop Instance = new();
    }

    private sealed record Look
    {
        public static readonly Look Instance = new();
    }

    /// <summary>Time without news of free trainers before a group is formed: those that lost the same neighbour come within it.</summary>
    private static readonly TimeSpan _settle = TimeSpan.FromSeconds(1), _lookEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>Whoever has been silent for so long is not asked into a group: long before the cluster gives a dead node up, nobody waits for it.</summary>
    private static readonly TimeSpan _silence = TimeSpan.FromSeconds(2);

    private readonly RunConfig _config;
    private readonly int _least;
    private readonly bool _resume;
    private readonly Action<string> _say;
    private readonly TaskCompletionSource<bool> _ended;
    private readonly TimeProvider _time;
    private readonly Dictionary<IActorRef, Report> _members = [];
    private readonly Dictionary<IActorRef, DateTimeOffset> _heard = [];
    private HashSet<IActorRef> _group = [];
    private DateTimeOffset _changed;
    private long _generation;
    private bool _over, _completed;

    /// <summary>A keeper that forms no group before there are enough trainers.</summary>
    /// <param name="config">The run.</param>
    /// <param name="least">Trainers without which it waits.</param>
    /// <param name="resume">Whether the first group begins at the last checkpoint.</param>
    /// <param name="say">Told of every group.</param>
    /// <param name="ended">Given the end of the run: whether all steps are done.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A step's clips cannot be shared out to so many.</exception>
    public GroupKeeper(RunConfig config, int least, bool resume, Action<string> say, TaskCompletionSource<bool> ended, TimeProvider time)
    {
        (_config, _least, _resume, _say, _ended, _time) = (config, least, resume, say, ended, time);
        Receive<Report>(OnReport);
        Receive<Look>(_ => OnLook());
        Receive<Terminated>(message => OnGone(message.ActorRef));
        Receive<Ended>(message =>
        {
            (_over, _completed) = (true, _completed || message.Completed);
            foreach (IActorRef spare in _members.Keys.Where(member => !_group.Contains(member))) spare.Tell(GroupMember.StopRun.Instance);
            if (_members.Keys.FirstOrDefault(member => member.Path.Address == Sender.Path.Address) is { } ended) OnGone(ended);
        });
        Receive<Stop>(_ =>
        {
            _over = true;
            foreach (IActorRef member in _members.Keys) member.Tell(GroupMember.StopRun.Instance);
            EndIfAlone();
        });
    }

    /// <summary>Tells the keeper of a cluster that a trainer's run is over.</summary>
    internal static void TellEnded(ActorSystem system, bool completed, IActorRef supervisor)
    {
        foreach (Member member in Akka.Cluster.Cluster.Get(system).State.Members.Where(member => member.HasRole(ClusterNode.RoleName(NodeRole.Coordinator))))
            system.ActorSelection(new RootActorPath(member.Address) / "user" / Name).Tell(new Ended(completed), supervisor);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Look), Look.Instance, _lookEvery);

    private void OnReport(Report report)
    {
        if (!_members.TryGetValue(Sender, out Report? before))
        {
            if (_over) return;
            Context.Watch(Sender);
        }
        if (before?.InGroup != report.InGroup) _changed = _time.GetUtcNow();
        _members[Sender] = report;
        _heard[Sender] = _time.GetUtcNow();
        if (report.Generation <= _generation) return;
        // Of a group that an earlier coordinator formed.
        _generation = report.Generation;
        _group = [.. _members.Where(member => member.Value.Generation == _generation).Select(member => member.Key)];
    }

    private void OnGone(IActorRef member)
    {
        Context.Unwatch(member);
        _heard.Remove(member);
        if (_members.Remove(member)) _changed = _time.GetUtcNow();
        if (_over) EndIfAlone();
    }

    private void EndIfAlone()
    {
        if (_members.Count == 0) _ended.TrySetResult(_completed);
    }

    private void OnLook()
    {
        if (_over || _time.GetUtcNow() - _changed < _settle) return;
        IActorRef[] free = [.. _members.Where(member => !member.Value.InGroup && _time.GetUtcNow() - _heard[member.Key] < _silence && (member.Value.Generation == _generation || !_group.Contains(member.Key)))
            .OrderBy(member => member.Value.Endpoint, StringComparer.Ordinal).Select(member => member.Key)];
        if (free.Length == 0) return;
        // A member that was told to enter the group and reports an older one has not read that yet.
        bool whole = _group.Count > 0 && _group.All(member => _members.TryGetValue(member, out Report? report) && (report.InGroup || report.Generation < _generation));
        if (!whole) Form(free);
        else if (Largest(_group.Count + free.Length) > _group.Count)
            foreach (IActorRef member in _group) member.Tell(new GroupMember.Disband(_generation));
    }

    private void Form(IActorRef[] free)
    {
        int world = Largest(free.Length);
        if (world < _least) return;
        bool first = _generation == 0;
        // Where nobody has any, weights come from the last checkpoint, unless this is the beginning of all.
        bool fromCheckpoint = free.Take(world).All(member => _members[member].Generation == 0) && (!first || _resume);
        _generation++;
        _group = [.. free.Take(world)];
        string[] endpoints = [.. free.Take(world).Select(member => _members[member].Endpoint)];
        for (int rank = 0; rank < world; rank++) free[rank].Tell(new GroupMember.Form(_generation, rank, endpoints, fromCheckpoint));
        _say($"generation {_generation}: {world} trainer{(world == 1 ? "" : "s")}: {string.Join(", ", endpoints)}");
    }

    private int Largest(int trainers)
    {
        while (trainers > 1 && !_config.CanShare(trainers)) trainers--;
        return trainers;
    }
}
