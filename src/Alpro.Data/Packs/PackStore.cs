using Alpro.Data.Places;

namespace Alpro.Data.Packs;

/// <summary>The prefix of a bucket in which a pack is made. What lies there when it is opened is listed once.</summary>
/// <param name="address"><c>s3://bucket/prefix</c>.</param>
internal sealed class PackStore(string address)
{
    /// <summary>Name of the file that says which pack is made here; like the parts, it goes when the pack is complete.</summary>
    private const string Claim = "parts/pack";

    private Dictionary<string, PlaceFacts> _there = [];

    /// <summary>Looks what is there, and puts down which pack is made: a bucket that takes nothing is so found out at once.</summary>
    /// <param name="fingerprint">What the pack is made of.</param>
    /// <param name="scratch">Path of a file that does not stay.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <returns>Whether nothing is there, or what was made of the same pack.</returns>
    /// <exception cref="DataException">There is no such bucket.</exception>
    /// <exception cref="PlaceException">The store does not list, or takes nothing.</exception>
    public bool Begin(string fingerprint, string scratch, CancellationToken cancellation)
    {
        using S3Place prefix = At("");
        try
        {
            _there = prefix.List().ToDictionary(file => file.Name, file => file.Facts);
        }
        catch (PlaceException exception) when (exception.Fault == PlaceFault.Missing)
        {
            throw new DataException($"{address}: there is no such bucket; make it first", exception);
        }
        if (TryFetch(Claim, scratch) ? File.ReadAllText(scratch) != fingerprint : _there.ContainsKey(CorpusPacker.IndexName))
            return false;
        File.WriteAllText(scratch, fingerprint);
        Put(Claim, scratch, cancellation);
        return true;
    }

    /// <summary>What was listed under a name; null for nothing.</summary>
    public PlaceFacts? FactsOf(string name) => _there.TryGetValue(name, out PlaceFacts facts) ? facts : null;

    /// <summary>Copies a file to a path, if it was listed.</summary>
    public bool TryFetch(string name, string path)
    {
        if (!_there.ContainsKey(name)) return false;
        using S3Place file = At(name);
        file.Download(path);
        return true;
    }

    /// <summary>Puts a file under a name.</summary>
    /// <returns>What the store will list of it.</returns>
    public PlaceFacts Put(string name, string path, CancellationToken cancellation)
    {
        using S3Place file = At(name);
        return file.PutAsync(path, cancellation).GetAwaiter().GetResult();
    }

    /// <summary>Removes what only the making needs.</summary>
    public void RemoveParts(CancellationToken cancellation)
    {
        using S3Place parts = At("parts");
        foreach ((string name, _) in parts.List().ToArray())
        {
            using S3Place part = At($"parts/{name}");
            part.DeleteAsync(cancellation).GetAwaiter().GetResult();
        }
    }

    private S3Place At(string name) => new(Place.Combine(address, name), settings: null);
}
