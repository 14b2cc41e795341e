using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>What a place's trouble means for a clip.</summary>
internal static class PlaceMedia
{
    /// <summary>Asks something of a place; its trouble makes the clip unreadable.</summary>
    public static void Guarded(Action ask)
    {
        try
        {
            ask();
        }
        catch (PlaceException exception)
        {
            throw Unreadable(exception);
        }
    }

    /// <summary>The clip that a place's trouble makes unreadable.</summary>
    public static UnreadableClipException Unreadable(PlaceException problem) => new(problem.Fault switch
    {
        PlaceFault.Missing => RejectReason.Missing,
        PlaceFault.Denied => RejectReason.Denied,
        PlaceFault.Truncated => RejectReason.Truncated,
        PlaceFault.Refused => RejectReason.Refused,
        PlaceFault.Unreachable => RejectReason.Unreachable,
        _ => RejectReason.ReadError,
    }, problem.Name, problem.Finding, problem);
}
