using System.IO.Hashing;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Events;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config = TinyRun.Config(LearningTask.QuestionAnswering);
    private readonly AlproModel _model;
    private readonly FlatParameters _parameters;
    private readonly AdamW _optimizer;
    private readonly SnapshotPool _snapshots;
    private readonly EventCollector _log = new();

    public CheckpointStoreTests()
    {
        _model = RunModel.Create(_config, CPU);
        _parameters = new(_model);
        _optimizer = new(_parameters, _config.Optimizer);
        _snapshots = new(_config, _model, _parameters, _optimizer);
    }

    public void Dispose()
    {
        _snapshots.Dispose();
        _optimizer.Dispose();
        _parameters.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void What_is_saved_is_what_is_loaded()
    {
        Update();
        (float[] weights, float[] first) = (TinyRun.Weights(_model), Floats(_optimizer.FirstMoment));
        CheckpointStore store = Store();
        Save(store, 3, best: 3);
        Update();
        Assert.NotEqual(weights, TinyRun.Weights(_model));
        Checkpoint checkpoint = store.Latest()!;
        checkpoint.ReadInto(_model, _parameters, _optimizer);
        Assert.Equal(weights, TinyRun.Weights(_model));
        Assert.Equal(first, Floats(_optimizer.FirstMoment));
        Assert.Equal(3, checkpoint.State.Step);
        Assert.Equal(1, _optimizer.Updates);
        Assert.Equal(ConfigLoader.ToJson(_config), ConfigLoader.ToJson(checkpoint.Config));
    }

    [Fact]
    public void A_checkpoint_from_before_rejected_clips_were_counted_has_none()
    {
        Checkpoint checkpoint = WrittenAs(file => Assert.True(file["state"]!.AsObject().Remove("rejected")));
        Assert.Equal(0, checkpoint.State.Rejected);
        Assert.Empty(_log.Events);
    }

    [Theory]
    [InlineData("pretrain", """{ "Vtc": 1, "Vtm": 0, "Mlm": 1, "Pem": 0 }""")]
    [InlineData("retrieval", "{}")]
    public void A_checkpoint_from_before_losses_had_weights_has_them(string task, string expected)
    {
        Checkpoint checkpoint = WrittenAs(file =>
        {
            file["config"]!["task"] = task;
            file["config"]!["losses"] = new JsonObject { ["vtc"] = true, ["vtm"] = false };
            file["config"]!["data"]!["clip"]!["maskProbability"] = task == "pretrain" ? 0.15 : 0;
        });
        Assert.Equal(JsonSerializer.Deserialize<LossWeights>(expected), checkpoint.Config.Losses);
        Assert.Empty(_log.Events);
    }

    /// <summary>A checkpoint whose state another version wrote.</summary>
    private Checkpoint WrittenAs(Action<JsonNode> change)
    {
        CheckpointStore store = Store();
        Save(store, 3);
        string state = Path.Combine(store.FolderOf(3), Checkpoint.StateName), checksums = Path.Combine(store.FolderOf(3),
            Checkpoint.ChecksumsName);
        string before = HashOf(state);
        JsonNode file = JsonNode.Parse(File.ReadAllText(state))!;
        change(file);
        File.WriteAllText(state, file.ToJsonString());
        File.WriteAllText(checksums, File.ReadAllText(checksums).Replace(before, HashOf(state), StringComparison.Ordinal));
        return store.Latest()!;

        static string HashOf(string file) => Convert.ToHexStringLower(XxHash128.Hash(File.ReadAllBytes(file)));
    }

    [Fact]
    public void The_last_few_and_the_best_are_kept()
    {
        CheckpointStore store = Store(keep: 2);
        foreach (long step in new long[] { 1, 2, 3, 4, 5 }) Save(store, step, best: step >= 2 ? 2 : null);
        Assert.Equal([2L, 4, 5], store.Steps());
        Assert.Equal(2, store.Best()!.State.Step);
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("moments.safetensors")]
    [InlineData("state.json")]
    [InlineData("checksums")]
    public void A_damaged_checkpoint_is_passed_over_with_a_warning(string name)
    {
        CheckpointStore store = Store();
        Save(store, 1);
        Save(store, 2);
        string file = Path.Combine(store.FolderOf(2), name);
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal(1, store.Latest()!.State.Step);
        CollectedEvent warning = Assert.Single(_log.Events);
        Assert.Equal((nameof(CheckpointEvents.CheckpointDamaged), LogLevel.Warning), (warning.Name, warning.Level));
        Assert.Contains(store.FolderOf(2), (string)warning.Fields["Damage"]!, StringComparison.Ordinal);
        Save(store, 2);                                     // the step is done again, and its checkpoint replaced
        Assert.Equal(2, store.Latest()!.State.Step);
    }

    [Fact]
    public void When_all_are_damaged_nothing_is_loaded()
    {
        CheckpointStore store = Store();
        Assert.Null(store.Latest());
        Save(store, 1);
        File.Delete(Path.Combine(store.FolderOf(1), "state.json"));
        Assert.Contains("all 1 checkpoints are damaged", Assert.Throws<CheckpointException>(store.Latest).Message,
            StringComparison.Ordinal);
    }

    /// <summary>Kills the writer before every single thing it does to the disk, the removal of old checkpoints included.</summary>
    [Fact]
    public void A_writer_killed_at_any_moment_leaves_a_whole_checkpoint()
    {
        int touches = 0;
        for (int killAt = 0; ; killAt++)
        {
            string folder = _folder.File($"kill-{killAt}");
            var before = new CheckpointStore(folder, keep: 1, _log);
            Save(before, 1);
            int count = 0;
            var killed = new CheckpointStore(folder, keep: 1) { Touching = _ => { if (count++ >= killAt) throw new KilledException(); } };
            bool finished = false;
            try
            {
                Save(killed, 2);
                finished = true;
            }
            catch (KilledException)
            {
            }
            touches = Math.Max(touches, count);
            var after = new CheckpointStore(folder, keep: 1, _log);
            long step = after.Latest()!.State.Step;
            Assert.True(step == (finished ? 2 : step) && step is 1 or 2);
            Save(after, 3);
            Assert.Equal([3L], after.Steps());
            Assert.Equal(folder + "/step_00000003", Assert.Single(Directory.EnumerateFileSystemEntries(folder)));
            if (finished) break;
        }
        Assert.True(touches > 15, $"only {touches} moments were tried");
        Assert.Empty(_log.Events);
    }

    /// <summary>The same before every single thing that is done to settle a checkpoint: its steps are never lost.</summary>
    [Fact]
    public void A_writer_killed_while_it_settles_a_checkpoint_leaves_it_as_it_was_or_settled()
    {
        var settled = new HashSet<long>();
        for (int killAt = 0, count = 0; killAt <= count; killAt++)
        {
            string folder = _folder.File($"settle-{killAt}");
            Save(new CheckpointStore(folder, keep: 1), 2);
            count = 0;
            try
            {
                Save(new CheckpointStore(folder, keep: 1) { Touching = _ => { if (count++ >= killAt) throw new KilledException(); } }, 2,
                    settled: 2);
            }
            catch (KilledException)
            {
            }
            var after = new CheckpointStore(folder, keep: 1, _log);
            settled.Add(after.Latest()!.State.Settled);
            Save(after, 2, settled: 2);
            Save(after, 2, settled: 2, best: 2);
            Assert.Equal((2, 2L), (after.Latest()!.State.Settled, after.Latest()!.State.BestStep));
            Assert.Equal(4, Directory.GetFiles(after.FolderOf(2)).Length);
        }
        Assert.Equal([0L, 2], settled);
        Assert.Empty(_log.Events);
    }

    [Fact]
    public void A_full_disk_fails_the_save_and_leaves_no_litter()
    {
        CheckpointStore store = Store();
        Save(store, 1);
        int writes = 0;
        var full = new CheckpointStore(store.Folder) { Touching =
            what => { if (what.StartsWith("write", StringComparison.Ordinal) && ++writes == 6)
            throw new IOException("No space left on device"); } };
        Assert.Throws<IOException>(() => Save(full, 2));
        Assert.Equal(store.FolderOf(1), Assert.Single(Directory.EnumerateFileSystemEntries(store.Folder)));
        Save(full, 2);                                      // room again
        Assert.Equal(2, store.Latest()!.State.Step);
    }

    [Fact]
    public void A_run_is_not_continued_under_settings_that_change_its_meaning()
    {
        CheckpointStore store = Store();
        Save(store, 1);
        RunConfig changed = _config with
        {
            Seed = 8,
            Training = _config.Training with { BatchSize = 8, CheckpointEvery = 3 },
            Evaluation = new() { BatchSize = 2 },
            Initialize = new() { Checkpoint = "elsewhere" },
            Data = _config.Data with { Vocabulary = "/moved/" + _config.Data.Vocabulary },
        };
        string message = Assert.Throws<ConfigException>(
            () => store.Latest()!.RequireSameRun(changed, State(0, rows: "13 rows"))).Message.ReplaceLineEndings("\n");
        Assert.Equal($"""
            {store.FolderOf(1)} cannot be continued: what it means to train would change; put settings and files back, or start a new run from its weights with initialize.checkpoint: 3 problems
              seed: was 7 and is 8
              training.batchSize: was 4 and is 8
              data.corpora[0]: was 12 rows and is 13 rows
            """.ReplaceLineEndings("\n"), message);
        RunConfig same = changed with { Seed = 7, Training = _config.Training with { CheckpointEvery = 3 } };
        store.Latest()!.RequireSameRun(same, State(0));
        message = Assert.Throws<ConfigException>(() => store.Latest()!.RequireSameRun(same, State(0) with { StepsPerEpoch = 4 })).Message;
        Assert.Contains("data.corpora: were 3 steps an epoch, 6 in all, and are 4 and 6: rows were added or lost", message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Run_that_shall_be_longer_is_told_how()
    {
        CheckpointStore store = Store();
        Save(store, 1);
        RunConfig longer = _config with { Training = _config.Training with { Steps = 12 } };
        string message = Assert.Throws<ConfigException>(
            () => store.Latest()!.RequireSameRun(longer, State(0) with { TotalSteps = 12 })).Message;
        Assert.Contains("1 problem", message, StringComparison.Ordinal);
        Assert.EndsWith($"to train longer begin a new run, in another folder, with --set initialize.checkpoint={store.Latest()!.Weights}",
            message, StringComparison.Ordinal);
        Assert.DoesNotContain("rows were added", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Last_checkpoint_that_is_damaged_is_not_passed_over_for_one_that_is_not_there()
    {
        CheckpointStore store = Store();
        foreach (long step in new[] { 1, 2 })
        {
            Save(store, step);
            File.AppendAllText(Path.Combine(store.FolderOf(step), Checkpoint.WeightsName), "x");
        }
        Assert.Throws<CheckpointException>(store.Latest);
        Assert.Equal([nameof(CheckpointEvents.CheckpointDamaged), nameof(CheckpointEvents.FirstCheckpointDamaged)],
            _log.Events.Select(warning => warning.Name));
    }

    [Fact]
    public void A_checkpoint_that_does_not_know_its_rows_is_held_to_the_steps_of_an_epoch()
    {
        CheckpointStore store = Store();
        using (Snapshot snapshot = _snapshots.Take(State(1) with { Data = new Dictionary<string, string>() })) store.Save(snapshot);
        store.Latest()!.RequireSameRun(_config, State(0, rows: "13 rows"));
        Assert.Contains("data.corpora: were 3 steps an epoch, 6 in all, and are 4 and 6: rows were added or lost",
            Assert.Throws<ConfigException>(() => store.Latest()!.RequireSameRun(_config, State(0) with { StepsPerEpoch = 4 })).Message,
            StringComparison.Ordinal);
    }

    private CheckpointStore Store(int keep = int.MaxValue) => new(_folder.File("checkpoints"), keep, _log);

    private void Save(CheckpointStore store, long step, long? best = null, long settled = 0)
    {
        using Snapshot snapshot = _snapshots.Take(State(step) with { BestStep = best, Settled = settled });
        store.Save(snapshot);
    }

    private TrainState State(long step, string rows = "12 rows") => new()
    {
        Step = step, Rejected = step, Updates = _optimizer.Updates, TotalSteps = 6, StepsPerEpoch = 3,
        Data = new Dictionary<string, string> { ["data.corpora[0]"] = rows },
    };

    private void Update()
    {
        using var scope = NewDisposeScope();
        using (no_grad()) foreach (FlatSection section in _parameters.Sections)
            FlatParameters.View(_parameters.Gradients, section).copy_(randn(section.Shape));
        _optimizer.Step(1e-2);
    }

    private static float[] Floats(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.data<float>().ToArray();
    }

    private sealed class KilledException : Exception;
}
