namespace Alpro.Data;

/// <summary>A corpus cannot be opened: the message names the file, what was expected and what to do.</summary>
public sealed class DataException(string message, Exception? inner = null) : Exception(message, inner);
