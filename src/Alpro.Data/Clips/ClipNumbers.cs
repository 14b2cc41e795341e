namespace Alpro.Data.Clips;

/// <summary>The numbers of tokens and of answers that the model of a run knows.</summary>
public readonly record struct ClipNumbers(int Tokens, int Answers);
