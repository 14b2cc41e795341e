namespace Alpro.Training.Records;

/// <summary>Something that happened in a run.</summary>
/// <param name="Time">When.</param>
/// <param name="Level">How bad it is: <c>debug</c>, <c>information</c>, <c>warning</c> or <c>error</c>.</param>
/// <param name="Name">The name of the event in the log.</param>
/// <param name="Text">What happened, for a person.</param>
/// <param name="Node">Who tells it, <c>host:port</c>; null for a process that trains alone.</param>
public sealed record RunEvent(DateTimeOffset Time, string Level, string Name, string Text, string? Node);
