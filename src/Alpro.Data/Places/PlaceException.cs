namespace Alpro.Data.Places;

/// <summary>Why a place cannot be read.</summary>
public enum PlaceFault
{
    /// <summary>Nothing is there.</summary>
    Missing,

    /// <summary>It may not be read.</summary>
    Denied,

    /// <summary>The file is shorter than what was asked for.</summary>
    Truncated,

    /// <summary>The server does not do what is asked of it: it serves no ranges, or no list.</summary>
    Refused,

    /// <summary>The store did not answer within the deadline, however often it was asked.</summary>
    Unreachable,

    /// <summary>The system could not read a local file, which may pass.</summary>
    ReadError,
}

/// <summary>A place cannot be read.</summary>
/// <param name="fault">The kind of trouble.</param>
/// <param name="name">The place, without what is secret in its address.</param>
/// <param name="finding">What was found, for a person.</param>
/// <param name="inner">The cause, if an exception was.</param>
public sealed class PlaceException(PlaceFault fault, string name, string finding, Exception? inner = null)
    : IOException($"{name}: {finding}", inner)
{
    /// <summary>The kind of trouble.</summary>
    public PlaceFault Fault { get; } = fault;

    /// <summary>The place.</summary>
    public string Name { get; } = name;

    /// <summary>What was found, without the place.</summary>
    public string Finding { get; } = finding;
}
