namespace Alpro.Actors;

/// <summary>The run cannot go on, and a restart would change nothing: the message says why, and what to do.</summary>
public class RunFailedException(string message, Exception? cause = null) : Exception(message, cause);
