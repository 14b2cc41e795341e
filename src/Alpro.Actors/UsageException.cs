namespace Alpro.Actors;

/// <summary>
/// The input of a command is wrong: the message says what, and what to do. The process exits with <see cref="ExitCode.BadInput"/>.
/// </summary>
public sealed class UsageException(string message) : Exception(message);
