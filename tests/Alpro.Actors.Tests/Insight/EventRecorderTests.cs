using Alpro.Actors.Insight;
using Alpro.Tests.Support.Events;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Actors.Tests.Insight;

public sealed class EventRecorderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private RunEvent[] Kept() => [.. RunLog.Read<RunEvent>(_folder.File("run/events.jsonl"))];

    [Fact]
    public void What_happened_before_and_after_there_is_a_folder_is_kept_and_passed_on()
    {
        using var said = new EventCollector();
        using var recorder = new EventRecorder(said, TimeProvider.System);
        recorder.Ready("trainer", "a:1");
        Assert.Empty(Kept());
        recorder.Open(_folder.File("run/events.jsonl"), "a:1");
        recorder.GroupLost("the neighbour is gone");
        recorder.ActorSystemSpoke("actor", "for those who debug");
        Assert.Equal([("Ready", "information", "a:1"), ("GroupLost", "warning", "a:1")],
            Kept().Select(kept => (kept.Name, kept.Level, kept.Node)));
        Assert.Equal("the group is lost, and the trainer waits for the next: the neighbour is gone", Kept()[1].Text);
        Assert.Equal(3, said.Events.Count);
    }

    [Fact]
    public void Checkpoints_are_kept_though_the_terminal_does_not_show_them()
    {
        using var recorder = new EventRecorder(NullLogger.Instance, TimeProvider.System);
        recorder.Open(_folder.File("run/events.jsonl"), null);
        recorder.CheckpointWritten(50, 0.5);
        Assert.Equal("the checkpoint of step 50 is written, in 0.5 s", Assert.Single(Kept()).Text);
    }
}
