using Alpro.Tests.Support.Stores;

namespace Alpro.Data.Tests.Places;

/// <summary>
/// A bucket for the tests of this assembly, where s3rver is installed. The usual variables name it and who may read it; a process has one
/// such store, so these tests are one collection.
/// </summary>
[CollectionDefinition(Collection)]
public sealed class Bucket : ICollectionFixture<Bucket>, IDisposable
{
    public const string Collection = "bucket";

    private readonly StoreProcess? _store;

    public Bucket()
    {
        if (!StoreProcess.IsInstalled("s3rver")) return;
        _store = StoreProcess.S3();
        foreach ((string name, string value) in new[] { ("AWS_ENDPOINT_URL", Endpoint), ("AWS_ACCESS_KEY_ID", StoreProcess.Key),
            ("AWS_SECRET_ACCESS_KEY", StoreProcess.Key), ("AWS_REGION", "us-east-1") }) Environment.SetEnvironmentVariable(name, value);
    }

    public string Endpoint => $"http://127.0.0.1:{_store!.Port}";

    /// <summary>The address of a key or prefix.</summary>
    public static string At(string key) => $"s3://{StoreProcess.Bucket}/{key}";

    public void Dispose() => _store?.Dispose();
}
