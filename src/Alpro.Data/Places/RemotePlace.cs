using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace Alpro.Data.Places;

/// <summary>
/// A file of a store, read by ranges. What was fetched is held in memory while the place is open, up to a bound, and in the cache. Reads
/// that were not announced by <see cref="Fetch"/> are answered with a little more than they ask for, and with more each time they go on.
/// </summary>
internal abstract class RemotePlace : Place
{
    private const int FirstStep = 32 << 10, LargestStep = 4 << 20, Gap = 16 << 10, ShortJump = 256 << 10, AtOnce = 8, SlowestGrowth = 100;
    private const long Held = 32 << 20;

    private readonly string _address, _store;
    private readonly PlaceSettings _settings;
    private readonly RangeCache? _cache;
    private readonly Lock _lock = new();
    private readonly List<Chunk> _chunks = [];
    private long _held, _length = -1, _end = long.MaxValue, _next = long.MaxValue;
    private int _step, _jump;
    private string? _version;

    private protected RemotePlace(string address, PlaceSettings? settings)
        : base(NameOf(address))
    {
        (_address, _settings) = (address, settings ?? new());
        int host = Name.IndexOf("://", StringComparison.Ordinal) + 3, path = Name.IndexOf('/', host);
        _store = path < 0 ? Name : Name[..path];
        _cache = _settings.CacheFolder is { } folder ? RangeCache.At(folder, _settings.CacheSize) : null;
    }

    /// <summary>What a store sends.</summary>
    /// <param name="Range">The bytes that follow.</param>
    /// <param name="Length">Bytes of the whole file.</param>
    /// <param name="Version">The store's own name of this content.</param>
    /// <param name="Body">The bytes.</param>
    /// <param name="Owner">What is disposed when they have been read.</param>
    private protected sealed record Answer(ByteRange Range, long Length, string Version, Stream Body, IDisposable Owner);

    private readonly record struct Chunk(long Start, int Length, byte[] Bytes);

    /// <summary>Requests that were sent, bytes that came, and bytes that the cache had instead, of all places of this process.</summary>
    internal static (long Requests, long Bytes, long Cached) Traffic =>
        (Interlocked.Read(ref _requests), Interlocked.Read(ref _bytes), Interlocked.Read(ref _cached));

    private static long _requests, _bytes, _cached;

    /// <summary>Bytes in memory.</summary>
    internal long BytesHeld => _held;

    public override PlaceFacts Facts
    {
        get
        {
            if (_version is null) Keep(GetAsync(new ByteRange(0, Math.Min(FirstStep, _end))).GetAwaiter().GetResult());
            return new PlaceFacts(_length, _version!);
        }
    }

    public override long Length => _length >= 0 ? _length : (_length = _cache?.LengthOf(_address) ?? -1) >= 0 ? _length : Facts.Length;

    public override void StayWithin(ByteRange stretch) => _end = stretch.End;

    public override void ReadThrough() => _jump = ShortJump;

    public override void Read(long position, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int got = Copy(position, bytes);
            if (got == 0)
            {
                Load(position, bytes.Length);
                got = Copy(position, bytes);
                if (got == 0) throw new PlaceException(PlaceFault.Truncated, Name, $"it ends before byte {position + bytes.Length}");
            }
            position += got;
            bytes = bytes[got..];
        }
    }

    public override void Fetch(IReadOnlyList<ByteRange> ranges)
    {
        List<ByteRange> wanted = [];
        long room = Held;
        foreach (ByteRange range in ranges)
        {
            if ((room -= range.Length) < 0) break;                    // the rest when it is read
            if (IsHeld(range) || FromCache(range.Start, (int)range.Length) == range.Length) continue;
            if (wanted.Count > 0 && range.Start - wanted[^1].End <= Gap && range.End - wanted[^1].Start <= LargestStep)
                wanted[^1] = new ByteRange(wanted[^1].Start, Math.Max(range.End, wanted[^1].End) - wanted[^1].Start);
            else wanted.Add(range);
        }
        if (wanted.Count == 0) return;
        Parallel.ForEachAsync(wanted, new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (range, _) => Keep(await GetAsync(range).ConfigureAwait(false))).GetAwaiter().GetResult();
    }

    /// <summary>Asks once for a stretch; what the store sends may end earlier, with the file.</summary>
    /// <exception cref="PlaceException">The store refuses, and will again.</exception>
    /// <exception cref="HttpRequestException">The store does not do it this time.</exception>
    private protected abstract Task<Answer> AskAsync(ByteRange range, CancellationToken stop);

    /// <summary>The trouble that a status tells of, where it will not pass.</summary>
    private protected static PlaceFault? FaultOf(HttpStatusCode status) => status switch
    {
        HttpStatusCode.NotFound or HttpStatusCode.Gone => PlaceFault.Missing,
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => PlaceFault.Denied,
        HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.MisdirectedRequest => null,
        (HttpStatusCode)425 => null,
        >= HttpStatusCode.InternalServerError or 0 => null,
        _ => PlaceFault.Refused,
    };

    /// <summary>The trouble that a status tells of: one that will not pass, or one that may.</summary>
    private protected Exception Trouble(HttpStatusCode status, Exception? cause = null)
    {
        string finding = status == 0 ? cause?.Message ?? "it does not answer" : $"the store answers {(int)status} {status}";
        return FaultOf(status) is { } fault
            ? new PlaceException(fault, Name, fault == PlaceFault.Missing ? "it is not there" : finding, cause)
            : new HttpRequestException(finding, cause, status == 0 ? null : status);
    }

    /// <summary>Does what may fail for a while, again and again with growing waits, until the deadline.</summary>
    private protected async Task<T> PatientlyAsync<T>(long bytes, Func<CancellationToken, Task<T>> ask,
        CancellationToken cancellation = default)
    {
        long begun = Stopwatch.GetTimestamp();
        for (int tries = 1; ; tries++)
        {
            try
            {
                using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                stop.CancelAfter(_settings.TryTime + TimeSpan.FromSeconds(bytes / PlaceSettings.BytesPerSecond));
                Interlocked.Increment(ref _requests);
                T answer = await ask(stop.Token).ConfigureAwait(false);
                StoreNews.Answered(_store);
                return answer;
            }
            catch (PlaceException)
            {
                StoreNews.Answered(_store);
                throw;
            }
            catch (HttpRequestException exception) when (exception.InnerException is AuthenticationException)
            {
                throw new PlaceException(PlaceFault.Denied, Name, exception.InnerException.Message, exception);
            }
            catch (Exception exception) when (!cancellation.IsCancellationRequested
                && exception is HttpRequestException or OperationCanceledException or IOException)
            {
                string reason = exception is OperationCanceledException ? "it took too long" : exception.Message;
                TimeSpan wait = _settings.BackOff * Math.Min(SlowestGrowth, Math.Pow(2, tries - 1))
                    * (0.5 + 0.01 * RandomNumberGenerator.GetInt32(100));
                TimeSpan end = Stopwatch.GetElapsedTime(begun) + wait;
                if (end > _settings.NameTime && IsWrongName(exception) && !StoreNews.Knows(_store))
                    throw new PlaceException(PlaceFault.Missing, Name,
                        $"its host is not found, and was never reached: {reason}", exception);
                if (end > _settings.Deadline)
                    throw new PlaceException(PlaceFault.Unreachable, Name,
                        $"{tries} tries within {_settings.Deadline} failed, the last so: {reason}", exception);
                StoreNews.Failed(_store, reason, _settings.Notice);
                await Task.Delay(wait, TimeProvider.System, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a request failed because the name of the host means nothing to the system.</summary>
    private static bool IsWrongName(Exception? exception)
    {
        while (exception is not (null or SocketException)) exception = exception.InnerException;
        return exception is SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain };
    }

    protected override void Dispose(bool disposing)
    {
        lock (_lock)
        {
            foreach (Chunk chunk in _chunks) ArrayPool<byte>.Shared.Return(chunk.Bytes);
            _chunks.Clear();
        }
        base.Dispose(disposing);
    }

    /// <summary>Brings what begins at a position into memory: as much as the cache has of it, or an answer of the store.</summary>
    private void Load(long position, int wanted)
    {
        _step = position >= _next && position - _next <= _jump ? Math.Min(2 * _step, LargestStep) : FirstStep;
        int most = (int)Math.Min(Math.Max(_step, wanted), (_length >= 0 ? Math.Min(_length, _end) : _end) - position);
        if (most <= 0) return;
        int got = FromCache(position, most);
        if (got == 0)
        {
            Chunk chunk = GetAsync(new ByteRange(position, most)).GetAwaiter().GetResult();
            got = chunk.Length;
            Keep(chunk);
        }
        _next = position + got;
    }

    private Task<Chunk> GetAsync(ByteRange range) => PatientlyAsync(range.Length, async stop =>
    {
        Answer answer = await AskAsync(range, stop).ConfigureAwait(false);
        using IDisposable owner = answer.Owner;
        lock (_lock)
        {
            if (_length >= 0 && answer.Length != _length || _version is not null && answer.Version != _version)
                throw new PlaceException(PlaceFault.ReadError, Name, "it has changed since a part of it was read or cached; a file that "
                    + "changes needs another address, or an empty cache folder");
            (_length, _version) = (answer.Length, answer.Version);
        }
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)answer.Range.Length);
        try
        {
            Memory<byte> memory = bytes.AsMemory(0, (int)answer.Range.Length);
            await answer.Body.ReadExactlyAsync(memory, stop).ConfigureAwait(false);
            Interlocked.Add(ref _bytes, memory.Length);
            _cache?.Add(_address, answer.Range.Start, memory.Span, answer.Length);
            return new Chunk(answer.Range.Start, memory.Length, bytes);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw;
        }
    });

    /// <summary>Brings into memory what the cache has of a stretch, from its start; tells how many bytes.</summary>
    private int FromCache(long position, int length)
    {
        if (_cache is null) return 0;
        byte[] bytes = ArrayPool<byte>.Shared.Rent(length);
        int got = _cache.Read(_address, position, bytes.AsSpan(0, length));
        Interlocked.Add(ref _cached, got);
        if (got == 0) ArrayPool<byte>.Shared.Return(bytes);
        else Keep(new Chunk(position, got, bytes));
        return got;
    }

    private void Keep(Chunk chunk)
    {
        lock (_lock)
        {
            _chunks.Add(chunk);
            for (_held += chunk.Length; _held > Held && _chunks.Count > 1; _chunks.RemoveAt(0))
            {
                _held -= _chunks[0].Length;
                ArrayPool<byte>.Shared.Return(_chunks[0].Bytes);
            }
        }
    }

    private bool IsHeld(ByteRange range) => _chunks.Exists(chunk => chunk.Start <= range.Start && range.End <= chunk.Start + chunk.Length);

    private int Copy(long position, Span<byte> bytes)
    {
        foreach (Chunk chunk in _chunks)
        {
            long inside = position - chunk.Start;
            if (inside < 0 || inside >= chunk.Length) continue;
            int count = (int)Math.Min(bytes.Length, chunk.Length - inside);
            chunk.Bytes.AsSpan((int)inside, count).CopyTo(bytes);
            return count;
        }
        return 0;
    }
}
