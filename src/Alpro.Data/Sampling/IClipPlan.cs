namespace Alpro.Data.Sampling;

/// <summary>Which clips make up which batch: arithmetic over step and place, the same whoever asks and however often.</summary>
public interface IClipPlan
{
    /// <summary>Number of places in the batch of a step.</summary>
    int Places(long step);

    /// <summary>The request for a place; attempt 1, 2, … names the rows that stand in when earlier ones were unreadable.</summary>
    ClipRequest Request(long step, int slot, int attempt = 0);

    /// <summary>Whether another row stands in for an unreadable one (training), or its place stays empty (evaluation).</summary>
    bool ReplacesUnreadable { get; }
}
