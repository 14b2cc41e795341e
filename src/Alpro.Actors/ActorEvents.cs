using Microsoft.Extensions.Logging;

namespace Alpro.Actors;

/// <summary>
/// What the actors, and the commands that start them, say to people and to programs that watch a run. The name of an event is that of its method; names, numbers and
/// fields are an interface, sentences are not. The hundreds of a number say what an event is about.
/// </summary>
internal static partial class ActorEvents
{
    // 1xx: the process.

    [LoggerMessage(EventId = 101, Level = LogLevel.Information, Message = "ready: {Role} {Node}")]
    public static partial void Ready(this ILogger log, string role, string node);

    [LoggerMessage(EventId = 102, Level = LogLevel.Information, Message = "the run in {Folder} is complete: {Steps} steps")]
    public static partial void RunIsComplete(this ILogger log, string folder, long steps);

    [LoggerMessage(EventId = 103, Level = LogLevel.Error, Message = "this node has ended itself: it was frozen or cut off, and the others go on without it; "
        + "start it again, a coordinator with --resume")]
    public static partial void NodeGivenUp(this ILogger log);

    [LoggerMessage(EventId = 104, Level = LogLevel.Error, Message = "the GPU has failed, and this process cannot use it any more: {Reason}; "
        + "start the same command again, a run with --resume")]
    public static partial void DeviceLost(this ILogger log, string reason);

    [LoggerMessage(EventId = 105, Level = LogLevel.Warning, Message = "some actors are stuck in a read: the process ends without them")]
    public static partial void ActorsStuck(this ILogger log);

    [LoggerMessage(EventId = 106, Level = LogLevel.Debug, Message = "the actor system says: {Source}: {Text}")]
    public static partial void ActorSystemSpoke(this ILogger log, string source, string text);

    [LoggerMessage(EventId = 107, Level = LogLevel.Information, Message = "what the actor system says more is in {File}")]
    public static partial void TraceWritten(this ILogger log, string file);

    // 2xx: the run.

    [LoggerMessage(EventId = 201, Level = LogLevel.Information, Message = "{Corpus}: {Coverage}")]
    public static partial void CorpusOpened(this ILogger log, string corpus, string coverage);

    [LoggerMessage(EventId = 202, Level = LogLevel.Information, Message = "{Corpus}: the index of its rows is now in {Index}")]
    public static partial void IndexWritten(this ILogger log, string corpus, string index);

    [LoggerMessage(EventId = 203, Level = LogLevel.Warning, Message = "{Corpus}: the answers of {Unlabelled:N0} of {Rows:N0} rows are none of the labels, and teach nothing: {Answers}")]
    public static partial void AnswersUnlabelled(this ILogger log, string corpus, int unlabelled, long rows, string answers);

    [LoggerMessage(EventId = 204, Level = LogLevel.Information, Message = "{Report}")]
    public static partial void WeightsLoaded(this ILogger log, string report);

    [LoggerMessage(EventId = 205, Level = LogLevel.Information, Message = "continuing at step {Step} of {Steps}")]
    public static partial void RunContinues(this ILogger log, long step, long steps);

    [LoggerMessage(EventId = 206, Level = LogLevel.Information, Message = "{Run} {Step}/{Steps}  loss {Loss:0.000}  lr {LearningRate:0.0e+0}  {ClipsPerSecond:0.0} clips/s  "
        + "wait {WaitShare:P0}  rejected {Rejected}")]
    public static partial void StepsDone(this ILogger log, string run, long step, long steps, double loss, double learningRate, double clipsPerSecond, double waitShare, long rejected);

    [LoggerMessage(EventId = 207, Level = LogLevel.Information, Message = "validation after step {Step}: {Figures}")]
    public static partial void RunValidated(this ILogger log, long step, string figures);

    [LoggerMessage(EventId = 208, Level = LogLevel.Information, Message = "changed since the checkpoint: {Setting} was {Before} and is {Now}")]
    public static partial void SettingChanged(this ILogger log, string setting, string before, string now);

    [LoggerMessage(EventId = 209, Level = LogLevel.Warning, Message = "the trainer restarts from the last checkpoint ({Restarts} of {MaxRestarts} within an hour): {Reason}")]
    public static partial void TrainerRestarted(this ILogger log, int restarts, int maxRestarts, string reason);

    [LoggerMessage(EventId = 210, Level = LogLevel.Warning, Message = "the group is lost, and the trainer waits for the next: {Reason}")]
    public static partial void GroupLost(this ILogger log, string reason);

    [LoggerMessage(EventId = 211, Level = LogLevel.Warning, Message = "decoders are stuck: a read has not come back {Seconds:0} s after the end (alpro.stop-timeout); "
        + "the run goes on without them")]
    public static partial void DecodersStuck(this ILogger log, double seconds);

    [LoggerMessage(EventId = 212, Level = LogLevel.Warning, Message = "records cannot be written, and {Waiting} wait in memory (try {Try}, again in {Seconds:0} s): {Reason}")]
    public static partial void RecordsNotWritten(this ILogger log, int waiting, int @try, double seconds, string reason);

    [LoggerMessage(EventId = 213, Level = LogLevel.Information, Message = "records are written again, and none is lost")]
    public static partial void RecordsWritten(this ILogger log);

    [LoggerMessage(EventId = 214, Level = LogLevel.Warning, Message = "the checkpoint of step {Step} cannot be written (try {Try} of {Tries}, again in {Seconds:0} s): {Reason}")]
    public static partial void CheckpointNotWritten(this ILogger log, long step, int @try, int tries, double seconds, string reason);

    [LoggerMessage(EventId = 215, Level = LogLevel.Warning, Message = "the checkpoint of step {Step} is not written: it is of generation {Generation}, "
        + "and generation {Latest} has formed since")]
    public static partial void CheckpointOutdated(this ILogger log, long step, long generation, long latest);

    [LoggerMessage(EventId = 216, Level = LogLevel.Warning, Message = "{Clip} cannot be read: {Reason}; clips that cannot be read are listed in {File}")]
    public static partial void ClipUnreadable(this ILogger log, string clip, string reason, string file);

    [LoggerMessage(EventId = 217, Level = LogLevel.Warning, Message = "{File} cannot be written, and {Waiting} rows wait in memory for the next try: {Reason}")]
    public static partial void RejectionsNotWritten(this ILogger log, string file, int waiting, string reason);

    [LoggerMessage(EventId = 218, Level = LogLevel.Information, Message = "{Folder}: the trainers have gone without report and weights: these are written now")]
    public static partial void RunFinishedLate(this ILogger log, string folder);

    [LoggerMessage(EventId = 219, Level = LogLevel.Warning, Message = "the best weights are not exported: {Reason}")]
    public static partial void BestNotExported(this ILogger log, string reason);

    // 3xx: clips from other nodes.

    [LoggerMessage(EventId = 301, Level = LogLevel.Debug, Message = "the clip of step {Step}, place {Place}, was made by another decoder {Milliseconds:F0} ms after its own was lost")]
    public static partial void ClipMadeByAnother(this ILogger log, long step, int place, double milliseconds);

    [LoggerMessage(EventId = 302, Level = LogLevel.Information, Message = "decode node {Node} has joined with {Clips} clips in hand")]
    public static partial void DecodeNodeJoined(this ILogger log, string node, int clips);

    [LoggerMessage(EventId = 303, Level = LogLevel.Warning, Message = "decode node {Node} is lost, and its {Clips} clips go to others: {Reason}")]
    public static partial void DecodeNodeLost(this ILogger log, string node, int clips, string reason);

    [LoggerMessage(EventId = 304, Level = LogLevel.Warning, Message = "decode node {Node} is refused: {Differences}")]
    public static partial void DecodeNodeRefused(this ILogger log, string node, string differences);

    [LoggerMessage(EventId = 305, Level = LogLevel.Warning, Message = "a data connection is refused: {Reason}")]
    public static partial void DataConnectionRefused(this ILogger log, string reason);

    [LoggerMessage(EventId = 306, Level = LogLevel.Information, Message = "connected to {Node}")]
    public static partial void LinkOpened(this ILogger log, string node);

    [LoggerMessage(EventId = 307, Level = LogLevel.Warning, Message = "the link to a training node is lost, and this node offers itself again: {Reason}")]
    public static partial void LinkLost(this ILogger log, string reason);

    // 4xx: groups of trainers.

    [LoggerMessage(EventId = 401, Level = LogLevel.Information, Message = "this coordinator forms the groups of trainers; the last was generation {Generation} (0: none yet)")]
    public static partial void KeeperStarted(this ILogger log, long generation);

    [LoggerMessage(EventId = 402, Level = LogLevel.Information, Message = "generation {Generation} has {World} trainers: {Endpoints}")]
    public static partial void GroupFormed(this ILogger log, long generation, int world, string endpoints);

    [LoggerMessage(EventId = 403, Level = LogLevel.Warning, Message = "generation {Generation} did not form: {Reason}")]
    public static partial void GroupNotFormed(this ILogger log, long generation, string reason);

    [LoggerMessage(EventId = 404, Level = LogLevel.Information, Message = "waiting to hear from {Trainers}")]
    public static partial void TrainersAwaited(this ILogger log, string trainers);

    [LoggerMessage(EventId = 405, Level = LogLevel.Warning, Message = "a report of {Node} is refused: it says that it listens at '{Endpoint}'; expected host:port")]
    public static partial void ReportRefused(this ILogger log, string node, string endpoint);

    [LoggerMessage(EventId = 406, Level = LogLevel.Warning, Message = "the trainers have ended without the checkpoint of the last step: others have to do again what is missing")]
    public static partial void LastCheckpointMissing(this ILogger log);

    [LoggerMessage(EventId = 407, Level = LogLevel.Warning, Message = "a ring connection is refused: {Reason}")]
    public static partial void RingConnectionRefused(this ILogger log, string reason);

    // 5xx: the cluster.

    [LoggerMessage(EventId = 501, Level = LogLevel.Warning, Message = "nodes are lost, and taken out of the cluster: {Nodes}")]
    public static partial void NodesTakenOut(this ILogger log, string nodes);

    [LoggerMessage(EventId = 502, Level = LogLevel.Warning, Message = "this node ends itself, for it has lost half or more of the coordinators and trainers: {Nodes}")]
    public static partial void MajorityLost(this ILogger log, string nodes);

    [LoggerMessage(EventId = 503, Level = LogLevel.Warning, Message = "a control connection is refused: {Reason}")]
    public static partial void ControlConnectionRefused(this ILogger log, string reason);

    [LoggerMessage(EventId = 504, Level = LogLevel.Warning, Message = "a control connection is refused: {Node} sent a frame of {Bytes} bytes, and {Most} is the most")]
    public static partial void ControlFrameRefused(this ILogger log, string node, int bytes, int most);

    [LoggerMessage(EventId = 505, Level = LogLevel.Debug, Message = "the control connection with {Node} has ended: {Reason}")]
    public static partial void ControlConnectionEnded(this ILogger log, string node, string reason);

    // 6xx: evaluations.

    [LoggerMessage(EventId = 601, Level = LogLevel.Information, Message = "{Corpus}: {Rows:N0} rows in {Annotations}")]
    public static partial void RowsFound(this ILogger log, string corpus, long rows, string annotations);

    [LoggerMessage(EventId = 602, Level = LogLevel.Warning, Message = "{Annotations}: its rows are the rows of validation too: the result is not one of a test split, "
        + "and is not called so")]
    public static partial void TestRowsAreValidation(this ILogger log, string annotations);

    [LoggerMessage(EventId = 603, Level = LogLevel.Warning, Message = "{Note}")]
    public static partial void RowsNoted(this ILogger log, string note);

    [LoggerMessage(EventId = 604, Level = LogLevel.Warning, Message = "{Folder}: holds the results of other {What}, which these will replace; --out names another folder")]
    public static partial void ResultsReplaced(this ILogger log, string folder, string what);

    [LoggerMessage(EventId = 605, Level = LogLevel.Information, Message = "stopping: the same command goes on from here")]
    public static partial void EvaluationStopping(this ILogger log);

    [LoggerMessage(EventId = 606, Level = LogLevel.Information, Message = "continuing where an earlier evaluation of the same stopped")]
    public static partial void EvaluationContinues(this ILogger log);

    [LoggerMessage(EventId = 607, Level = LogLevel.Warning, Message = "an evaluator died, and another takes its share ({Deaths} of {MaxRestarts}): {Reason}")]
    public static partial void EvaluatorDied(this ILogger log, int deaths, int maxRestarts, string reason);

    [LoggerMessage(EventId = 608, Level = LogLevel.Warning, Message = "checkpoint {Step} was removed by the run before it could be evaluated: training.keep says how many stay")]
    public static partial void CheckpointGone(this ILogger log, long step);
}
