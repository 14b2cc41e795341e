namespace Alpro.Data.Clips;

/// <summary>The rectangle of entity modelling within a frame, in pixels, all sides multiples of the patch size.</summary>
public readonly record struct PixelRectangle(int Left, int Top, int Width, int Height);
