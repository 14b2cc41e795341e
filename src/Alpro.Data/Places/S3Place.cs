using System.Globalization;
using System.Net;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.S3;
using Amazon.S3.Model;

namespace Alpro.Data.Places;

/// <summary>
/// An object of an S3 bucket, or a prefix of them. Endpoint, region and credentials are those of AWS's usual chain:
/// <c>AWS_ENDPOINT_URL</c>, <c>AWS_REGION</c>, <c>AWS_ACCESS_KEY_ID</c>, profiles, the machine's role. Where there are no credentials,
/// requests are anonymous.
/// </summary>
internal sealed class S3Place : RemotePlace
{
    private const string Scheme = "s3://";
    private const int PartSize = 16 << 20, MostParts = 10_000, PartsAtOnce = 4;

    private static readonly Lazy<AmazonS3Client> _usual = new(() => Client(Credentials(),
        Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL_S3") ?? Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL")));

    private readonly AmazonS3Client _client;
    private readonly string _bucket, _key;

    /// <summary>The object or prefix at an address.</summary>
    /// <param name="address"><c>s3://bucket/key</c>.</param>
    /// <param name="settings">How the store is asked, and the cache.</param>
    /// <param name="client">The client; null for that of the usual chain.</param>
    /// <exception cref="DataException">The address names no bucket.</exception>
    public S3Place(string address, PlaceSettings? settings, AmazonS3Client? client = null)
        : base(address, settings)
    {
        string[] parts = address[Scheme.Length..].Split('/', 2);
        (_bucket, _key, _client) = (parts[0], parts.Length > 1 ? parts[1] : "", client ?? _usual.Value);
        if (_bucket.Length == 0) throw new DataException($"{address}: expected s3://bucket/key");
    }

    /// <summary>A client that leaves trying again to its caller.</summary>
    public static AmazonS3Client Client(AWSCredentials credentials, string? endpoint)
    {
        AmazonS3Config config = new()
        {
            MaxErrorRetry = 0,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,       // not every store knows Amazon's own
        };
        if (endpoint is { Length: > 0 })
        {
            string region = config.RegionEndpoint?.SystemName ?? "us-east-1";
            (config.ServiceURL, config.ForcePathStyle, config.AuthenticationRegion) = (endpoint, true, region);
        }
        return new AmazonS3Client(credentials, config);
    }

    /// <summary>The objects below the prefix.</summary>
    public override IEnumerable<(string Name, PlaceFacts Facts)> List()
    {
        string prefix = _key.Length == 0 || _key.EndsWith('/') ? _key : $"{_key}/";
        ListObjectsV2Request request = new() { BucketName = _bucket, Prefix = prefix };
        do
        {
            ListObjectsV2Response page = PatientlyAsync(0, stop => Guarded(() => _client.ListObjectsV2Async(request, stop)))
                .GetAwaiter().GetResult();
            foreach (S3Object found in page.S3Objects ?? [])
            {
                string name = found.Key[prefix.Length..];
                if (name.Length > 0 && !name.EndsWith('/')) yield return (name, new PlaceFacts(found.Size ?? 0, found.ETag ?? ""));
            }
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (request.ContinuationToken is not null);
    }

    /// <summary>
    /// Puts a file in the object's place, where it appears complete. The store checks it against the hash in the signature.
    /// </summary>
    /// <returns>Length and version of the object.</returns>
    /// <exception cref="PlaceException">The store does not take it.</exception>
    public async Task<PlaceFacts> PutAsync(string path, CancellationToken cancellation)
    {
        long length = new FileInfo(path).Length;
        if (length > PartSize) return await PutPartsAsync(path, length, cancellation).ConfigureAwait(false);
        PutObjectRequest request = new() { BucketName = _bucket, Key = _key, FilePath = path, UseChunkEncoding = false };
        PutObjectResponse put = await PatientlyAsync(length, stop => Guarded(() => _client.PutObjectAsync(request, stop)), cancellation)
            .ConfigureAwait(false);
        return new PlaceFacts(length, put.ETag);
    }

    /// <summary>Removes the object, if it is there.</summary>
    public Task DeleteAsync(CancellationToken cancellation) => PatientlyAsync(0,
        stop => Guarded(() => _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = _bucket, Key = _key }, stop)), cancellation);

    private async Task<PlaceFacts> PutPartsAsync(string path, long length, CancellationToken cancellation)
    {
        string upload = (await PatientlyAsync(0, stop => Guarded(() => _client.InitiateMultipartUploadAsync(
            new InitiateMultipartUploadRequest { BucketName = _bucket, Key = _key }, stop)), cancellation).ConfigureAwait(false)).UploadId;
        try
        {
            long size = Math.Max(PartSize, (length + MostParts - 1) / MostParts);
            UploadPartResponse[] parts = new UploadPartResponse[(length + size - 1) / size];
            ParallelOptions some = new() { MaxDegreeOfParallelism = PartsAtOnce, CancellationToken = cancellation };
            await Parallel.ForAsync(0, parts.Length, some, async (part, halt) =>
            {
                long from = part * size, bytes = Math.Min(size, length - from);
                parts[part] = await PatientlyAsync(bytes, stop => Guarded(() => _client.UploadPartAsync(new UploadPartRequest
                {
                    BucketName = _bucket,
                    Key = _key,
                    UploadId = upload,
                    PartNumber = part + 1,
                    FilePath = path,
                    FilePosition = from,
                    PartSize = bytes,
                    UseChunkEncoding = false,
                }, stop)), halt).ConfigureAwait(false);
            }).ConfigureAwait(false);
            CompleteMultipartUploadRequest request = new() { BucketName = _bucket, Key = _key, UploadId = upload };
            request.AddPartETags(parts);
            CompleteMultipartUploadResponse whole = await PatientlyAsync(length,
                stop => Guarded(() => _client.CompleteMultipartUploadAsync(request, stop)), cancellation).ConfigureAwait(false);
            return new PlaceFacts(length, whole.ETag);
        }
        catch (PlaceException exception) when (exception.Fault == PlaceFault.Missing && Facts is var there && there.Length == length)
        {
            return there;                                           // completed, and the answer to that was lost
        }
        catch
        {
            using CancellationTokenSource brief = new(TimeSpan.FromSeconds(10));
            await ((Task)Guarded(() => _client.AbortMultipartUploadAsync(_bucket, _key, upload, brief.Token)))
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);               // the bucket's rules see to what is left then
            throw;
        }
    }

    private protected override async Task<Answer> AskAsync(Places.ByteRange range, CancellationToken stop)
    {
        GetObjectRequest request = new() { BucketName = _bucket, Key = _key, ByteRange = new(range.Start, range.End - 1) };
        GetObjectResponse response;
        try
        {
            response = await Guarded(() => _client.GetObjectAsync(request, stop)).ConfigureAwait(false);
        }
        catch (PlaceException exception) when (exception.InnerException is AmazonS3Exception
            { StatusCode: HttpStatusCode.RequestedRangeNotSatisfiable } && range.Start == 0)
        {
            return new Answer(default, 0, "", Stream.Null, Stream.Null);      // a first byte is asked of every object: this one is empty
        }
        if (Total(response.ContentRange, range.Start) is { } total)
            return new Answer(new(range.Start, response.ContentLength), total, response.ETag ?? "", response.ResponseStream, response);
        response.Dispose();
        throw new PlaceException(PlaceFault.Refused, Name, $"bytes {range.Start}-{range.End - 1} were asked for, and the store sends "
            + (response.ContentRange ?? "the whole object"));
    }

    /// <summary>The object's length as <c>bytes FIRST-LAST/LENGTH</c> has it; null where that begins elsewhere.</summary>
    private static long? Total(string? range, long start) =>
        range is not null && range.StartsWith(string.Create(CultureInfo.InvariantCulture, $"bytes {start}-"), StringComparison.Ordinal)
        && long.TryParse(range.AsSpan(range.IndexOf('/', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture, out long total)
            ? total : null;

    private async Task<T> Guarded<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (AmazonS3Exception exception)
        {
            if (exception.ErrorCode == "RequestTimeout") throw Trouble(HttpStatusCode.RequestTimeout, exception);
            throw Trouble(exception.StatusCode, exception);
        }
        catch (AmazonClientException exception)
        {
            throw Trouble(0, exception);
        }
    }

    private static AWSCredentials Credentials()
    {
        try
        {
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        }
        catch (AmazonClientException)
        {
            return new AnonymousAWSCredentials();
        }
    }
}
