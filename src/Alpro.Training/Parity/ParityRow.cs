namespace Alpro.Training.Parity;

/// <summary>One line of the parity table: a golden item and how far this program is from it.</summary>
/// <param name="Item">The golden file, and the part of it.</param>
/// <param name="Cases">How many values, files or texts were compared.</param>
/// <param name="WorstAbsolute">Largest absolute difference; 0 where the comparison is exact.</param>
/// <param name="WorstRelative">Largest relative difference; 0 where the comparison is exact.</param>
/// <param name="Tolerance">The tolerance that was applied, in words.</param>
/// <param name="Passed">Whether all cases were within it.</param>
/// <param name="Detail">The first failure, or what a person should know.</param>
internal sealed record ParityRow(string Item, int Cases, double WorstAbsolute, double WorstRelative, string Tolerance, bool Passed,
    string? Detail = null);
