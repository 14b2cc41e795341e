using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data.Sampling;
using Alpro.Tests.Support;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Training.Tasks;

namespace Alpro.Chaos;

/// <summary>
/// Trains on several processes while these are struck one after another, starts again whoever ends, and holds the run against one that was
/// not disturbed: every step the same clips, losses and final weights within float tolerance, accounts that add up. What is done, to whom,
/// and in which order follows from the seed; when, from the run's progress: a strike waits until the nodes of its kind are whole again.
/// </summary>
internal sealed partial class ChaosRun : IDisposable
{
    /// <summary>Less than the cluster bears, and enough for a trainer to be known that has joined; time for heartbeats.</summary>
    private static readonly TimeSpan _standstill = TimeSpan.FromSeconds(2), _moment = TimeSpan.FromMilliseconds(80);

    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(20), _stalled = TimeSpan.FromMinutes(3),
        _ending = TimeSpan.FromMinutes(2);

    /// <summary>A node that was struck, and what was seen of it since.</summary>
    private sealed record Loss(ChaosNode Node, string? Address, Strike Strike, DateTimeOffset At)
    {
        public DateTimeOffset? Noticed { get; set; }

        /// <summary>Trainers that gave the clips of a lost decode node to others.</summary>
        public HashSet<ChaosNode> Owed { get; } = [];

        public bool IsMadeGood { get; set; }
    }

    private readonly ChaosSettings _settings;
    private readonly RunConfig _config;
    private readonly List<ChaosNode> _nodes = [];
    private readonly Queue<(string Role, Strike Strike)> _due = new();
    private readonly HashSet<(ChaosNode From, string Address)> _links = [];
    private readonly List<Loss> _losses = [];
    private readonly SortedDictionary<string, int> _strikes = [];
    private readonly Dictionary<string, List<double>> _recoveries = [];
    private readonly List<string> _problems = [], _givenUp = [];
    private readonly CutOffNetwork? _network;
    private SeededRandom _random;
    private ChaosNode? _keeper, _validator, _joiner, _held;
    private int _rounds, _world;
    private long _began, _total, _step = -1, _struckAt;
    private DateTimeOffset _stepAt, _validationBegan, _heldSince;
    private DateTimeOffset? _joined;

    private ChaosRun(ChaosSettings settings)
    {
        _settings = settings;
        _config = ConfigLoader.Load(settings.Config, [.. settings.Overrides]);
        _config.RequireShares(Math.Max(1, settings.Trainers));
        _random = SeededRandom.For(settings.Seed, RandomPurpose.Replacement);
        if (settings.Strikes.Any(strike => strike.Strike == Strike.CutOff)) _network = CutOffNetwork.TryOpen(settings.Say);
    }

    private string Run => Path.Combine(_settings.Folder, "run");

    private string Alone => Path.Combine(_settings.Folder, "alone");

    /// <summary>Trains undisturbed and disturbed, and compares.</summary>
    public static async Task<ChaosResult> RunAsync(ChaosSettings settings, CancellationToken stop)
    {
        using var chaos = new ChaosRun(settings);
        await chaos.TrainAloneAsync();
        return await chaos.TrainAsync(stop);
    }

    public void Dispose()
    {
        foreach (ChaosNode node in _nodes) node.Dispose();
        _network?.Dispose();
    }

    /// <summary>Trains in one process, unless that has been done before.</summary>
    private async Task TrainAloneAsync()
    {
        string config = Path.Combine(Alone, "config.json");
        if (File.Exists(config) && File.ReadAllText(config) == ConfigLoader.ToJson(_config) && Latest(Alone) is { State: var state }
            && state.Step == state.TotalSteps) return;
        if (Directory.Exists(Alone)) Directory.Delete(Alone, recursive: true);
        _settings.Say("training undisturbed, in one process");
        string command = DownstreamTask.Find(_config.Task) is null ? "pretrain" : "finetune";
        using NodeProcess process = NodeProcess.StartProgram([command, .. Configuration(), "--out", Alone]);
        (int code, _) = await process.EndAsync(Timeout.InfiniteTimeSpan);
        if (code != ExitCode.Success)
            throw new InvalidOperationException($"the undisturbed run ended with exit code {code}: {process.Errors}");
    }

    private async Task<ChaosResult> TrainAsync(CancellationToken stop)
    {
        foreach (string folder in new[] { Run, Path.Combine(_settings.Folder, "logs") })
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(Path.Combine(_settings.Folder, "logs"));
        _total = Latest(Alone)!.State.TotalSteps;
        AddNodes();
        (_began, _stepAt) = (Stopwatch.GetTimestamp(), TimeProvider.System.GetUtcNow());
        foreach (ChaosNode node in _nodes) node.Start();
        using var timer = new PeriodicTimer(_look, TimeProvider.System);
        while (!HasEnded())
        {
            await timer.WaitForNextTickAsync(stop);
            foreach (ChaosNode node in _nodes) Listen(node);
            LookAtSteps();
            EndOutages();
            StartAgain();
            SlowValidation();
            StrikeIfDue();
            if (TimeProvider.System.GetUtcNow() - _stepAt > _stalled)
                throw new TimeoutException(
                    $"no step was done in {_stalled.TotalMinutes} minutes after step {_step}; the logs are in {_settings.Folder}/logs");
        }
        return await FinishAsync();
    }

    private void AddNodes()
    {
        (string near, string far) = _network is null ? ("127.0.0.1", "127.0.0.1") : (CutOffNetwork.Near, CutOffNetwork.Far);
        string certificates = Path.Combine(_settings.Folder, "certificates");
        NodeCertificates.Create(certificates, [.. new[] { near, far }.Distinct()], TimeProvider.System);
        string hocon = Path.Combine(_settings.Folder, "chaos.conf");
        File.WriteAllText(hocon, _settings.RunningSettings);

        // Those that are started again join the others of these: they stay where they are.
        int[] ports = FreePorts.Some(_settings.Coordinators + _settings.Trainers);
        string[] seeds = [.. ports.SelectMany(port => new[] { "--seed", $"{near}:{port}" })];
        string[] trains = ["--out", Run, "--decoders", "0", "--data-port", "0"];
        bool begun = false;
        Add("coordinator", _settings.Coordinators,
            number => [.. trains, "--trainers", $"{Math.Min(1, _settings.Trainers)}", "--port", $"{ports[number - 1]}", .. Resume()]);
        Add("trainer", _settings.Trainers, number =>
            [.. trains, "--port", $"{ports[_settings.Coordinators + number - 1]}", "--ring-port", "0"]);
        Add("decoder", _settings.Decoders, _ => ["--decoders", "1", "--port", "0"]);
        Add("evaluator", _settings.Evaluators, _ => ["--out", Run, "--port", "0"]);

        // The first coordinator begins the run, all others and those that are started again find it.
        string[] Resume()
        {
            if (begun) return ["--resume"];
            begun = true;
            return [];
        }

        void Add(string role, int count, Func<int, string[]> words)
        {
            foreach (int number in Enumerable.Range(1, count))
            {
                bool away = role == "decoder" && number == 1 && _network is not null;
                string host = away ? far : near, log = Path.Combine(_settings.Folder, "logs", $"{role}-{number}.log");
                _nodes.Add(new(role, number, said => NodeProcess.StartProgram(
                [
                    "node", "--role", role, .. Configuration(), "--host", host, .. seeds, "--hocon", hocon, "--json", "--log", "debug",
                    "--certificates", Path.Combine(certificates, host), .. words(number),
                ],
                (line, written) =>
                {
                    lock (log) File.AppendAllText(log, line + "\n");
                    if (written is not null) said(written);
                }, away ? CutOffNetwork.Inside : [])));
            }
        }
    }

    private string[] Configuration() => ["--config", _settings.Config,
        .. _settings.Overrides.SelectMany(setting => new[] { "--set", setting })];

    /// <summary>Takes in what a node has said.</summary>
    private void Listen(ChaosNode node)
    {
        foreach (NodeEvent said in node.Listen())
        {
            switch (said.Name)
            {
                case nameof(ActorEvents.Ready): OnReady(node, said.Text("node"), said.Time); break;
                case nameof(ActorEvents.ValidationStarted): (_validator, _validationBegan) = (node, said.Time); break;
                case nameof(ActorEvents.ValidationEnded): _validator = null; break;
                case nameof(ActorEvents.DecodeNodeJoined): _links.Add((node, said.Text("node"))); break;
                case nameof(ActorEvents.DecodeNodeLost): OnDecoderLost(node, said.Text("node"), said.Number("clips"), said.Time); break;
                case nameof(ActorEvents.ClipMadeByAnother): OnClipMadeByAnother(node, said.Time); break;
                case nameof(ActorEvents.KeeperStarted): OnCoordinatorKeeps(node, said.Time); break;
                case nameof(ActorEvents.GroupFormed): OnGroupFormed(said.Number("world"), said.Time); break;
            }
        }
    }

    private void OnReady(ChaosNode node, string address, DateTimeOffset at)
    {
        node.Address = address;
        if (node == _joiner) _joined = at;
    }

    private void OnDecoderLost(ChaosNode from, string address, int clips, DateTimeOffset at)
    {
        _links.Remove((from, address));
        if (_losses.FirstOrDefault(loss => loss.Address == address) is not { } loss) return;
        if (clips > 0) loss.Owed.Add(from);
        if (loss.Noticed is not null) return;                        // by another trainer
        loss.Noticed = at;
        Recovered($"decode node {Word(loss.Strike)}, noticed", at - loss.At);
    }

    private void OnClipMadeByAnother(ChaosNode from, DateTimeOffset at)
    {
        foreach (Loss loss in _losses.Where(loss => loss.Owed.Contains(from) && !loss.IsMadeGood))
        {
            loss.IsMadeGood = true;
            Recovered($"decode node {Word(loss.Strike)}, first of its clips made by another", at - loss.At);
        }
    }

    private void OnGroupFormed(int world, DateTimeOffset at)
    {
        _world = world;
        _links.Clear();                                              // decode nodes join every trainer's new stream
        _settings.Say($"step {_step + 1}: a group of {world}");
        foreach (Loss loss in _losses)
        {
            loss.Owed.Clear();                                       // the new streams give out their clips afresh
            if (loss.Node.Role == "trainer" && at > loss.At) loss.Noticed ??= at;
        }
    }

    private void OnCoordinatorKeeps(ChaosNode node, DateTimeOffset at)
    {
        _keeper = node;
        foreach (Loss loss in _losses.Where(loss => loss.Node.Role == "coordinator" && at > loss.At && !loss.IsMadeGood))
        {
            loss.IsMadeGood = true;
            Recovered($"coordinator {Word(loss.Strike)}, its place taken", at - loss.At);
        }
    }

    /// <summary>Reads the last step that was written down.</summary>
    private void LookAtSteps()
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        if (LastStep() is not { } last) return;
        if (last > _step)
        {
            _stepAt = now;
            foreach (Loss loss in _losses.Where(loss => loss.Node.Role == "trainer" && loss.Noticed < now && !loss.IsMadeGood))
            {
                loss.IsMadeGood = true;
                Recovered($"trainer {Word(loss.Strike)}, next step of the others done", now - loss.At);
            }
        }
        _step = last;
    }

    private long? LastStep()
    {
        const int tail = 16 << 10;                                   // several records
        try
        {
            using var file = new FileStream(new RunFolder(Run).Steps, FileMode.Open, FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(tail, file.Length), SeekOrigin.End);
            using var reader = new StreamReader(file);
            return StepOf().Matches(reader.ReadToEnd()) is [.., var last] ? long.Parse(last.Groups[1].Value) : null;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private void EndOutages()
    {
        foreach (ChaosNode node in _nodes.Where(node => node.OutageEnds <= TimeProvider.System.GetUtcNow()))
        {
            node.OutageEnds = null;
            if (_losses.Last(loss => loss.Node == node).Strike == Strike.CutOff) _network!.Plug(true);
            else node.Process.Thaw();
        }
    }

    /// <summary>
    /// Whoever has ended before the run is started again; who was struck, or lost the cluster with one that was, may end.
    /// </summary>
    private void StartAgain()
    {
        foreach (ChaosNode node in _nodes.Where(node => node.OutageEnds is null && node.Process.HasEnded))
        {
            if (_step + 1 >= _total && node.Process.ExitCode == ExitCode.Success) continue;
            if (_losses.LastOrDefault(loss => loss.Node == node) is { Strike: Strike.KilledUntilValidation } loss)
            {
                if (!IsTimeToJoin(loss)) continue;
                (_joiner, _joined) = (node, null);
            }
            // On a busy machine the cluster takes a slow node for a lost one: it may, and nothing may come of it.
            if (!node.IsStruck)
                (WasGivenUp(node) ? _givenUp : _problems).Add(
                    $"{node.Name} ended by itself at step {_step + 1}, exit code {node.Process.ExitCode}: {LastWords(node)}");
            _links.RemoveWhere(link => link.From == node);
            node.Start();
        }
    }

    /// <summary>Whether another has begun to validate since the cluster has taken out what was killed, which may then join again.</summary>
    private bool IsTimeToJoin(Loss loss) => _validator is { IsUp: true } && _validationBegan - loss.At > _settings.Outage;

    /// <summary>
    /// Makes the validation long in whose middle a trainer shall join: the one that validates stands still, but for moments in which it is
    /// seen to live.
    /// </summary>
    private void SlowValidation()
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        bool slow = _joiner is not null && _validator is { Process.HasEnded: false };
        if (slow && now - _joined > _standstill)
        {
            Recovered(JoinedMeanwhile, _joined!.Value - _validationBegan);
            slow = false;
        }
        if (!slow) _joiner = null;
        if (_held is not null && (!slow || now - _heldSince > _standstill))
        {
            _held.Process.Thaw();
            (_held, _heldSince) = (null, now);
        }
        else if (_held is null && slow && now - _heldSince > _moment)
        {
            (_held, _heldSince) = (_validator!, now);
            _held.Process.Freeze();
        }
    }

    private static bool WasGivenUp(ChaosNode node) => node.Process.Has(nameof(ActorEvents.NodeGivenUp))
        || (node.Role == "decoder" && node.Process.ExitCode == ExitCode.Success);

    private static string LastWords(ChaosNode node)
    {
        string line = node.Process.Errors.TrimEnd().Split('\n')[^1];
        return NodeEvent.Parse(line)?.Message ?? line;
    }

    private void StrikeIfDue()
    {
        if (_step < 2 || _step < _struckAt + _settings.Every || _step + _settings.Every >= _total
            || Stopwatch.GetElapsedTime(_began) > _settings.Length) return;
        if (_due.Count == 0 && _rounds < _settings.Rounds)
        {
            _rounds++;
            (string, Strike)[] round = [.. _settings.Strikes];
            for (int last = round.Length - 1; last > 0; last--)
            {
                int other = _random.NextInt32(last + 1);
                (round[last], round[other]) = (round[other], round[last]);
            }
            foreach ((string Role, Strike Strike) strike in round)
                if (strike.Strike != Strike.CutOff || _network is not null) _due.Enqueue(strike);
        }
        // The first whose kind is whole: the others' turn comes when their nodes are back.
        for (int turn = _due.Count; turn > 0; turn--)
        {
            (string role, Strike strike) = _due.Dequeue();
            ChaosNode[] kind = [.. _nodes.Where(node => node.Role == role)];
            if (kind.All(IsIn) && (strike != Strike.KilledUntilValidation || _step + 3 * _config.Training.ValidateEvery < _total))
            {
                Do(strike, strike == Strike.CutOff ? kind[0] : kind[_random.NextInt32(kind.Length)]);
                return;
            }
            _due.Enqueue((role, strike));
        }
    }

    /// <summary>Whether a node takes part in the run.</summary>
    private bool IsIn(ChaosNode node) => node.IsUp && node.Role switch
    {
        "decoder" => _links.Any(link => link.Address == node.Address),
        // One of these at a time: they keep the cluster together by their majority.
        "trainer" or "coordinator" => _world == _settings.Trainers
            && _nodes.All(other => other.Role is not ("trainer" or "coordinator") || other.IsUp)
            && _losses.All(loss => loss.Node.Role is not ("trainer" or "coordinator") || loss.IsMadeGood),
        _ => true,
    };

    private void Do(Strike strike, ChaosNode node)
    {
        string done = $"{node.Role} {Word(strike)}";
        _settings.Say($"step {_step + 1}: {node.Name} {Word(strike)}");
        _strikes[done] = _strikes.GetValueOrDefault(done) + 1;
        // Nobody takes the place of a coordinator that stands by.
        _losses.Add(new(node, node.Address, strike,
            TimeProvider.System.GetUtcNow()) { IsMadeGood = node.Role == "evaluator" || (node.Role == "coordinator" && node != _keeper) });
        (_struckAt, node.IsStruck) = (_step, true);
        _links.RemoveWhere(link => link.Address == node.Address);
        if (node.Role == "trainer") _world = 0;
        if (node == _validator) _validator = null;
        if (strike is Strike.Frozen or Strike.CutOff) node.OutageEnds = TimeProvider.System.GetUtcNow() + _settings.Outage;
        switch (strike)
        {
            case Strike.Killed or Strike.KilledUntilValidation: node.Process.Kill(); break;
            case Strike.Frozen: node.Process.Freeze(); break;
            case Strike.CutOff: _network!.Plug(false); break;
        }
    }

    private static string Word(Strike strike) => strike switch
    {
        Strike.Killed => "killed",
        Strike.KilledUntilValidation => "killed until another validates",
        Strike.Frozen => "frozen",
        _ => "cut off",
    };

    private bool HasEnded() => _step + 1 >= _total
        && _nodes.Where(node => node.Role == "coordinator").All(node => node.Process.HasEnded && node.Process.ExitCode == ExitCode.Success);

    /// <summary>Waits for the nodes to end, and compares.</summary>
    private async Task<ChaosResult> FinishAsync()
    {
        RunAccounts? accounts = null;
        foreach (ChaosNode node in _nodes)
        {
            if (node.OutageEnds is not null) continue;               // struck shortly before the end: it is not waited for
            if (node is { Role: "decoder", IsUp: false, Process.HasEnded: false }) node.Process.Terminate();         // it has joined no run
            (int code, string output) = await node.Process.EndAsync(_ending);
            // told to before it had joined
            bool ended = code == ExitCode.Success || (code == ExitCode.Interrupted && node.Role == "decoder");
            if (!ended && !node.IsStruck) _problems.Add($"{node.Name} ended with exit code {code} after the run: {LastWords(node)}");
            // Whoever wrote the run down says how it went.
            if (output.Split('\n').FirstOrDefault(line => line.Contains("\"accounts\":", StringComparison.Ordinal)) is { } result)
                accounts = JsonDocument.Parse(result).RootElement.GetProperty("accounts")
                    .Deserialize<RunAccounts>(JsonSerializerOptions.Web);
        }
        RunComparison comparison = RunComparison.Of(new(Alone), Latest(Alone)!, new(Run), Latest(Run)!,
            _settings.Trainers > 0 ? _settings.Tolerance : 0);
        if (comparison.Difference is { } difference) _problems.Add($"the run is not the undisturbed one: {difference}");
        if (accounts is null) _problems.Add("no process said what became of the run's clips");
        else
            if (accounts.Delivered != _total * _config.Training.BatchSize || accounts.Planned != accounts.Delivered + accounts.Rejected
                + accounts.Tail) _problems.Add($"the accounts do not add up: {accounts}");
        foreach (Loss loss in _losses.Where(loss => loss.Node.Role != "decoder" && !loss.IsMadeGood))
            _problems.Add($"{loss.Node.Name}, {Word(loss.Strike)}: it was not seen that others went on without it");
        if (_strikes.ContainsKey($"trainer {Word(Strike.KilledUntilValidation)}") && !_recoveries.ContainsKey(JoinedMeanwhile))
            _problems.Add("no trainer joined while another validated");
        return new(_strikes, _recoveries.OrderBy(recovery => recovery.Key, StringComparer.Ordinal).ToDictionary(recovery => recovery.Key,
            IReadOnlyList<double> (recovery) => recovery.Value), comparison, accounts, _givenUp, _problems);
    }

    private const string JoinedMeanwhile = "trainer killed, had joined again while another validated, since that began";

    private static Checkpoint? Latest(string folder) => new CheckpointStore(new RunFolder(folder).Checkpoints).Latest();

    [GeneratedRegex(@"^\{""step"":(\d+),.*\}$", RegexOptions.Multiline)]
    private static partial Regex StepOf();

    private void Recovered(string what, TimeSpan after)
    {
        if (!_recoveries.TryGetValue(what, out List<double>? all)) _recoveries[what] = all = [];
        all.Add(after.TotalSeconds);
    }
}
