namespace Alpro.Data.Sampling;

/// <summary>
/// One clip to be made: which row, for which place in which batch, and the seed of everything random about it. The request
/// alone decides the clip, bit for bit: neither who decodes it, nor when, nor how often can change it.
/// </summary>
/// <param name="Step">The training step whose batch the clip belongs to, from 0.</param>
/// <param name="Slot">Place in the step's global batch, from 0.</param>
/// <param name="Attempt">0 for the planned row; 1, 2, … for the rows that stand in when earlier ones were unreadable.</param>
/// <param name="Corpus">Number of the corpus within the run's configuration.</param>
/// <param name="Row">Row within the corpus.</param>
/// <param name="Seed">Seed of the clip's random streams, split per <see cref="RandomPurpose"/>.</param>
public sealed record ClipRequest(long Step, int Slot, int Attempt, int Corpus, long Row, ulong Seed);
