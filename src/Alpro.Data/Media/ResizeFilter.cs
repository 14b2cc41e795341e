namespace Alpro.Data.Media;

/// <summary>Interpolation of the resize while decoding.</summary>
public enum ResizeFilter
{
    /// <summary>As the frames the released weights were trained on.</summary>
    Bilinear,

    /// <summary>The default of newer FFmpeg versions.</summary>
    Bicubic,
}
