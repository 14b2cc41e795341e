namespace Alpro.Data.Sampling;

/// <summary>
/// One rank's places of a plan. Each part of a step's batch is cut into as many stretches as there are ranks, so together the ranks have
/// every place once. The clip of a place, its random numbers included, is the same on whatever rank it is.
/// </summary>
/// <param name="plan">The plan of all ranks.</param>
/// <param name="rank">The rank, from 0.</param>
/// <param name="world">Number of ranks; each part's places must be a multiple of it.</param>
/// <param name="parts">Parts in which a batch is run (<c>training.accumulation</c>).</param>
internal sealed class RankShare(IClipPlan plan, int rank, int world, int parts = 1) : IClipPlan
{
    /// <inheritdoc/>
    public bool ReplacesUnreadable => plan.ReplacesUnreadable;

    /// <inheritdoc/>
    public int Places(long step)
    {
        int places = plan.Places(step);
        return places % (world * parts) == 0 ? places / world : throw new InvalidOperationException($"The {places} places of step "
            + $"{step} cannot be shared out to {world} ranks in {parts} parts.");
    }

    /// <summary>The request for a place of this rank's batch; its slot is the place in that batch.</summary>
    public ClipRequest Request(long step, int slot, int attempt = 0) =>
        plan.Request(step, PlaceOf(slot, Places(step), rank, world, parts), attempt) with { Slot = slot };

    /// <summary>Where a place of a rank's batch lies in the batch of all ranks.</summary>
    /// <param name="slot">The place in the rank's batch.</param>
    /// <param name="places">Places of the rank's batch.</param>
    /// <param name="rank">The rank, from 0.</param>
    /// <param name="world">Number of ranks.</param>
    /// <param name="parts">Parts in which a batch is run.</param>
    public static int PlaceOf(int slot, int places, int rank, int world, int parts)
    {
        int stretch = places / parts;
        (int part, int place) = Math.DivRem(slot, stretch);
        return (part * world + rank) * stretch + place;
    }
}
