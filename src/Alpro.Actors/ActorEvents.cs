using Microsoft.Extensions.Logging;

namespace Alpro.Actors;

/// <summary>
/// What the actors, and the commands that start them, say to people and to programs that watch a run. An event has the name of its method.
/// Names, numbers and fields are an interface, sentences are not. The hundreds of a number say what an event is about.
/// </summary>
internal static partial class ActorEvents
{
    // 1xx: the process.

    [LoggerMessage(101, LogLevel.Information, "ready: {Role} {Node}")]
    public static partial void Ready(this ILogger log, string role, string node);

    [LoggerMessage(102, LogLevel.Information, "the run in {Folder} is complete: {Steps} steps")]
    public static partial void RunIsComplete(this ILogger log, string folder, long steps);

    [LoggerMessage(103, LogLevel.Error,
        "this node has ended itself: it was frozen or cut off, and the others go on without it; start it again, a coordinator "
        + "with --resume")]
    public static partial void NodeGivenUp(this ILogger log);

    [LoggerMessage(104, LogLevel.Error,
        "the GPU has failed, and this process cannot use it any more: {Reason}; start the same command again, a run with --resume")]
    public static partial void DeviceLost(this ILogger log, string reason);

    [LoggerMessage(105, LogLevel.Warning, "some actors are stuck in a read: the process ends without them")]
    public static partial void ActorsStuck(this ILogger log);

    [LoggerMessage(106, LogLevel.Debug, "the actor system says: {Actor}: {Text}")]
    public static partial void ActorSystemSpoke(this ILogger log, string actor, string text);

    [LoggerMessage(107, LogLevel.Information, "what the actor system says more is in {File}")]
    public static partial void TraceWritten(this ILogger log, string file);

    // 2xx: the run.

    [LoggerMessage(201, LogLevel.Information, "{Corpus}: {Coverage}")]
    public static partial void CorpusOpened(this ILogger log, string corpus, string coverage);

    [LoggerMessage(202, LogLevel.Information, "{Corpus}: the index of its rows is now in {Index}")]
    public static partial void IndexWritten(this ILogger log, string corpus, string index);

    [LoggerMessage(203, LogLevel.Warning,
        "{Corpus}: the answers of {Unlabelled:N0} of {Rows:N0} rows are none of the labels, and teach nothing: {Answers}")]
    public static partial void AnswersUnlabelled(this ILogger log, string corpus, int unlabelled, long rows, string answers);

    [LoggerMessage(204, LogLevel.Information, "{Report}")]
    public static partial void WeightsLoaded(this ILogger log, string report);

    [LoggerMessage(205, LogLevel.Information, "continuing at step {Step} of {Steps}")]
    public static partial void RunContinues(this ILogger log, long step, long steps);

    [LoggerMessage(206, LogLevel.Information,
        "{Run} {Step}/{Steps}  loss {Loss:0.000}  lr {LearningRate:0.0e+0}  {ClipsPerSecond:0.0} clips/s  wait {WaitShare:P0}  "
        + "rejected {Rejected}")]
    public static partial void StepsDone(
        this ILogger log, string run, long step, long steps, double loss, double learningRate, double clipsPerSecond, double waitShare,
        long rejected);

    [LoggerMessage(207, LogLevel.Information, "validation after step {Step}: {Figures}")]
    public static partial void RunValidated(this ILogger log, long step, string figures);

    [LoggerMessage(208, LogLevel.Information, "changed since the checkpoint: {Setting} was {Before} and is {Now}")]
    public static partial void SettingChanged(this ILogger log, string setting, string before, string now);

    [LoggerMessage(209, LogLevel.Warning,
        "the trainer restarts from the last checkpoint ({Restarts} of {MaxRestarts} within an hour): {Reason}")]
    public static partial void TrainerRestarted(this ILogger log, int restarts, int maxRestarts, string reason);

    [LoggerMessage(210, LogLevel.Warning, "the group is lost, and the trainer waits for the next: {Reason}")]
    public static partial void GroupLost(this ILogger log, string reason);

    [LoggerMessage(211, LogLevel.Warning,
        "decoders are stuck: a read has not come back {Seconds:0} s after the end (alpro.stop-timeout); the run goes on without them")]
    public static partial void DecodersStuck(this ILogger log, double seconds);

    [LoggerMessage(212, LogLevel.Warning,
        "records cannot be written, and {Waiting} wait in memory (try {Try}, again in {Seconds:0} s): {Reason}")]
    public static partial void RecordsNotWritten(this ILogger log, int waiting, int @try, double seconds, string reason);

    [LoggerMessage(213, LogLevel.Information, "records are written again, and none is lost")]
    public static partial void RecordsWritten(this ILogger log);

    [LoggerMessage(214, LogLevel.Warning,
        "the checkpoint of step {Step} cannot be written (try {Try} of {Tries}, again in {Seconds:0} s): {Reason}")]
    public static partial void CheckpointNotWritten(this ILogger log, long step, int @try, int tries, double seconds, string reason);

    [LoggerMessage(215, LogLevel.Warning,
        "the checkpoint of step {Step} is not written: it is of generation {Generation}, and generation {Latest} has formed since")]
    public static partial void CheckpointOutdated(this ILogger log, long step, long generation, long latest);

    [LoggerMessage(222, LogLevel.Debug, "how the run is doing cannot be written: {Reason}")]
    public static partial void StatusNotWritten(this ILogger log, string reason);

    [LoggerMessage(224, LogLevel.Debug, "the checkpoint of step {Step} is written, in {Seconds:0.0} s")]
    public static partial void CheckpointWritten(this ILogger log, long step, double seconds);

    [LoggerMessage(225, LogLevel.Information, "training goes on after step {Step}: {Cause} took {Seconds:0.0} s")]
    public static partial void TrainingRecovered(this ILogger log, long step, string cause, double seconds);

    [LoggerMessage(216, LogLevel.Warning, "{Clip} cannot be read: {Reason}; clips that cannot be read are listed in {File}")]
    public static partial void ClipUnreadable(this ILogger log, string clip, string reason, string file);

    [LoggerMessage(217, LogLevel.Warning, "{File} cannot be written, and {Waiting} rows wait in memory for the next try: {Reason}")]
    public static partial void RejectionsNotWritten(this ILogger log, string file, int waiting, string reason);

    [LoggerMessage(218, LogLevel.Information, "{Folder}: the trainers have gone without report and weights: these are written now")]
    public static partial void RunFinishedLate(this ILogger log, string folder);

    [LoggerMessage(219, LogLevel.Warning, "the best weights are not exported: {Reason}")]
    public static partial void BestNotExported(this ILogger log, string reason);

    [LoggerMessage(223, LogLevel.Information, "{Finding}")]
    public static partial void RunJudged(this ILogger log, string finding);

    [LoggerMessage(220, LogLevel.Debug, "validating after step {Step}")]
    public static partial void ValidationStarted(this ILogger log, long step);

    [LoggerMessage(221, LogLevel.Debug, "validated after step {Step}")]
    public static partial void ValidationEnded(this ILogger log, long step);

    // 3xx: clips from other nodes.

    [LoggerMessage(301, LogLevel.Debug,
        "the clip of step {Step}, place {Place}, was made by another decoder {Milliseconds:F0} ms after its own was lost")]
    public static partial void ClipMadeByAnother(this ILogger log, long step, int place, double milliseconds);

    [LoggerMessage(302, LogLevel.Information, "decode node {Node} has joined with {Clips} clips in hand")]
    public static partial void DecodeNodeJoined(this ILogger log, string node, int clips);

    [LoggerMessage(303, LogLevel.Warning, "decode node {Node} is lost, and its {Clips} clips go to others: {Reason}")]
    public static partial void DecodeNodeLost(this ILogger log, string node, int clips, string reason);

    [LoggerMessage(304, LogLevel.Warning, "decode node {Node} is refused: {Differences}")]
    public static partial void DecodeNodeRefused(this ILogger log, string node, string differences);

    [LoggerMessage(305, LogLevel.Warning, "a data connection is refused: {Reason}")]
    public static partial void DataConnectionRefused(this ILogger log, string reason);

    [LoggerMessage(306, LogLevel.Information, "connected to {Node}")]
    public static partial void LinkOpened(this ILogger log, string node);

    [LoggerMessage(307, LogLevel.Warning, "the link to a training node is lost, and this node offers itself again: {Reason}")]
    public static partial void LinkLost(this ILogger log, string reason);

    [LoggerMessage(308, LogLevel.Information, "the run has ended: its trainers have left, and so does this node")]
    public static partial void RunHasEnded(this ILogger log);

    // 31x: packing and indexing with the help of nodes.

    [LoggerMessage(311, LogLevel.Information, "node {Node} helps with {What}")]
    public static partial void WorkNodeJoined(this ILogger log, string node, string what);

    [LoggerMessage(312, LogLevel.Warning, "node {Node} helps no more, and what it had in hand goes to others: {Reason}")]
    public static partial void WorkNodeLost(this ILogger log, string node, string reason);

    [LoggerMessage(313, LogLevel.Information, "{What}: nodes have done {Pieces:N0} pieces")]
    public static partial void WorkDoneElsewhere(this ILogger log, string what, int pieces);

    [LoggerMessage(314, LogLevel.Warning, "this node cannot help: {Reason}")]
    public static partial void HelpRefused(this ILogger log, string reason);

    [LoggerMessage(315, LogLevel.Warning, "the link to a process that is helped is lost, and this node offers itself again: {Reason}")]
    public static partial void WorkLinkLost(this ILogger log, string reason);

    [LoggerMessage(316, LogLevel.Warning, "node {Node} was refused, for what it makes would differ: {Differences}")]
    public static partial void WorkerRefused(this ILogger log, string node, string differences);

    // 4xx: groups of trainers.

    [LoggerMessage(401, LogLevel.Information,
        "this coordinator forms the groups of trainers; the last was generation {Generation} (0: none yet)")]
    public static partial void KeeperStarted(this ILogger log, long generation);

    [LoggerMessage(402, LogLevel.Information, "generation {Generation} has {World} trainers: {Endpoints}")]
    public static partial void GroupFormed(this ILogger log, long generation, int world, string endpoints);

    [LoggerMessage(403, LogLevel.Warning, "generation {Generation} did not form: {Reason}")]
    public static partial void GroupNotFormed(this ILogger log, long generation, string reason);

    [LoggerMessage(404, LogLevel.Information, "waiting to hear from {Trainers}")]
    public static partial void TrainersAwaited(this ILogger log, string trainers);

    [LoggerMessage(405, LogLevel.Warning, "a report of {Node} is refused: it says that it listens at '{Endpoint}'; expected host:port")]
    public static partial void ReportRefused(this ILogger log, string node, string endpoint);

    [LoggerMessage(406, LogLevel.Warning,
        "the trainers have ended without the checkpoint of the last step: others have to do again what is missing")]
    public static partial void LastCheckpointMissing(this ILogger log);

    [LoggerMessage(407, LogLevel.Warning, "a ring connection is refused: {Reason}")]
    public static partial void RingConnectionRefused(this ILogger log, string reason);

    [LoggerMessage(408, LogLevel.Information, "waiting for more trainers: {World} can share the steps; expected {Least} (--trainers)")]
    public static partial void TrainersTooFew(this ILogger log, int world, int least);

    // 5xx: the cluster.

    [LoggerMessage(501, LogLevel.Warning, "nodes are lost, and taken out of the cluster: {Nodes}")]
    public static partial void NodesTakenOut(this ILogger log, string nodes);

    [LoggerMessage(502, LogLevel.Warning, "this node ends itself, for it has lost half or more of the coordinators and trainers: {Nodes}")]
    public static partial void MajorityLost(this ILogger log, string nodes);

    [LoggerMessage(503, LogLevel.Warning, "a control connection is refused: {Reason}")]
    public static partial void ControlConnectionRefused(this ILogger log, string reason);

    [LoggerMessage(504, LogLevel.Warning, "a control connection is refused: {Node} sent a frame of {Bytes} bytes, and {Most} is the most")]
    public static partial void ControlFrameRefused(this ILogger log, string node, int bytes, int most);

    [LoggerMessage(505, LogLevel.Debug, "the control connection with {Node} has ended: {Reason}")]
    public static partial void ControlConnectionEnded(this ILogger log, string node, string reason);

    // 6xx: evaluations.

    [LoggerMessage(601, LogLevel.Information, "{Corpus}: {Rows:N0} rows in {Annotations}")]
    public static partial void RowsFound(this ILogger log, string corpus, long rows, string annotations);

    [LoggerMessage(602, LogLevel.Warning,
        "{Annotations}: its rows are the rows of validation too: the result is not one of a test split, and is not called so")]
    public static partial void TestRowsAreValidation(this ILogger log, string annotations);

    [LoggerMessage(603, LogLevel.Warning, "{Note}")]
    public static partial void RowsNoted(this ILogger log, string note);

    [LoggerMessage(604, LogLevel.Warning,
        "{Folder}: holds the results of other {What}, which these will replace; --out names another folder")]
    public static partial void ResultsReplaced(this ILogger log, string folder, string what);

    [LoggerMessage(605, LogLevel.Information, "stopping: the same command goes on from here")]
    public static partial void EvaluationStopping(this ILogger log);

    [LoggerMessage(606, LogLevel.Information, "continuing where an earlier evaluation of the same stopped")]
    public static partial void EvaluationContinues(this ILogger log);

    [LoggerMessage(607, LogLevel.Warning, "an evaluator died, and another takes its share ({Deaths} of {MaxRestarts}): {Reason}")]
    public static partial void EvaluatorDied(this ILogger log, int deaths, int maxRestarts, string reason);

    [LoggerMessage(608, LogLevel.Warning,
        "checkpoint {Step} was removed by the run before it could be evaluated: training.keep says how many stay")]
    public static partial void CheckpointGone(this ILogger log, long step);

    // 65x: indexes of videos.

    [LoggerMessage(651, LogLevel.Information,
        "{Files:N0} new or changed files to encode, {Kilobytes:0.0} kB a window; {Kept:N0} files are unchanged")]
    public static partial void IndexBegins(this ILogger log, int files, double kilobytes, int kept);
}
