namespace Alpro.Data.Places;

/// <summary>How stores are asked, and the cache of what they answered (<c>alpro.cache</c> and <c>alpro.store</c> in HOCON).</summary>
public sealed record PlaceSettings
{
    /// <summary>
    /// The folder of this program's data in the user's own: indexes that have no place beside their annotations, and the cache.
    /// </summary>
    public static string UserFolder { get; } = Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData) is { Length: > 0 } home ? home : Path.GetTempPath(),
        "alpro");

    /// <summary>Folder of the cache, where the indexes of annotations in a store lie too; null for none.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>The most bytes that the cache may take.</summary>
    public long CacheSize { get; init; } = 10L << 30;

    /// <summary>How long a request is tried again that fails in a way that may pass.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(4);

    /// <summary>How long one try may take, beside a second for every <see cref="BytesPerSecond"/> of its answer.</summary>
    public TimeSpan TryTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The wait before the second try; each is twice the one before, up to a hundred times it, and half of it is chance.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a host that was never reached is asked for, where the system does not know its name.</summary>
    public TimeSpan NameTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a store may fail before that is said (<see cref="StoreNews"/>).</summary>
    public TimeSpan Notice { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The slowest answer that is waited for.</summary>
    public const int BytesPerSecond = 64 << 10;
}
