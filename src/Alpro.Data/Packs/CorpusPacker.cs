using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Data.Workers;

namespace Alpro.Data.Packs;

/// <summary>
/// Makes a packed corpus of a corpus: shards of re-encoded clips, and an index that opens as a corpus. Several clips are encoded at once
/// and written in order. So the same corpus makes the same bytes, however many workers there are, and however often it was stopped.
/// </summary>
/// <param name="settings">How clips are packed.</param>
/// <param name="createReader">Makes the reader of one worker.</param>
/// <param name="workers">Clips that are encoded at once.</param>
internal sealed class CorpusPacker(PackSettings settings, Func<IFrameReader> createReader, int workers)
{
    /// <summary>Name of the index within the folder of a pack.</summary>
    public const string IndexName = "index";

    private const int Version = 1, AheadPerWorker = 4;

    /// <summary>Lets encoders of other processes join while a corpus is packed, until what it returns is disposed.</summary>
    public Func<PackTerms, WorkerPool<IClipEncoder>, IDisposable>? Invite { get; init; }

    private static readonly JsonSerializerOptions _json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What a shard says about a clip, for any tool.</summary>
    private sealed record Texts(string Key, IEnumerable<string> Caption, IEnumerable<string?>? Answer, IEnumerable<string?>? AnswerType,
        string Origin, IEnumerable<long> Rows);

    /// <summary>Packs a corpus, or completes what an earlier call began; open it lazily, or missing files are not among its rows.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="mediaRoot">Folder of its media: origins are named relative to it.</param>
    /// <param name="place">Folder of the pack, or <c>s3://bucket/prefix</c>: a new one, or that of the same pack.</param>
    /// <param name="progress">Told the clips that are done, and how many there are.</param>
    /// <param name="cancellation">Stops it; what is finished stays.</param>
    /// <exception cref="DataException">
    /// The place holds another pack, no clip can be read, or the <c>ffmpeg</c> command fails.
    /// </exception>
    /// <exception cref="PlaceException">The store does not take the pack, or not within its deadline.</exception>
    public async Task<PackReport> PackAsync(VideoTextCorpus corpus, string mediaRoot, string place,
        IProgress<(int Done, int Count)>? progress = null, CancellationToken cancellation = default)
    {
        string fingerprint = $"pack {Version}|{settings.Describe()}|{corpus.Kind}|{corpus.Count}|{corpus.Content}";
        if (PackReport.OfFinished(place, fingerprint) is { } report)
        {
            PackFolder.Clear(place, cancellation);
            return report;
        }
        using PackFolder made = new(place, fingerprint, cancellation);
        PackMembers members = PackMembers.Of(corpus, cancellation);
        progress?.Report((made.Count, members.Count));
        if (made.Count < members.Count)
            await EncodeAsync(corpus, members, mediaRoot, made, progress, cancellation).ConfigureAwait(false);
        report = PackReport.Of(corpus, members, made, fingerprint, settings);
        made.Finish();
        return report;
    }

    /// <summary>Encodes the clips that no finished shard holds, several at once, and writes them in order.</summary>
    private async Task EncodeAsync(VideoTextCorpus corpus, PackMembers members, string mediaRoot, PackFolder made,
        IProgress<(int Done, int Count)>? progress, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using WorkerPool<IClipEncoder> pool = new(() => new ClipEncoder(settings, createReader(), made.Scratch()), workers);
        using IDisposable? guests =
            Invite?.Invoke(await PackTerms.OfAsync(corpus, settings, made.Scratch(), cancellation).ConfigureAwait(false), pool);
        Queue<Task<EncodedClip>> ahead = [];
        ShardWriter? shard = null;
        try
        {
            for (int member = made.Count, next = member; member < members.Count; member++)
            {
                cancellation.ThrowIfCancellationRequested();
                for (; next < members.Count && ahead.Count < pool.Count * AheadPerWorker; next++)
                {
                    VideoTextPair source = corpus[members.RowsOf(next)[0]];
                    ahead.Enqueue(pool.DoAsync(encoder => encoder.EncodeAsync(source, stop.Token), stop.Token));
                }
                shard ??= made.BeginShard();
                try
                {
                    EncodedClip clip = await ahead.Dequeue().ConfigureAwait(false);
                    shard.Add(member, corpus.Kind, clip, TextsOf(corpus, members.RowsOf(member).ToArray(), mediaRoot));
                }
                catch (UnreadableClipException trouble)
                {
                    shard.AddUnreadable(member, trouble);
                }
                if (shard.Length >= settings.ShardBytes || member == members.Count - 1)
                {
                    made.Finish(shard);
                    shard = null;
                }
                progress?.Report((member + 1, members.Count));
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(ahead)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            shard?.Dispose();
        }
    }

    private static byte[] TextsOf(VideoTextCorpus corpus, int[] rows, string mediaRoot)
    {
        VideoTextPair[] pairs = [.. rows.Select(row => corpus[row])];
        (string path, string root) = (Place.NameOf(pairs[0].Media.Path), $"{Place.NameOf(mediaRoot).TrimEnd('/')}/");
        return JsonSerializer.SerializeToUtf8Bytes(new Texts(pairs[0].Key, pairs.SelectMany(pair => pair.Captions),
            pairs[0].Answer is null ? null : pairs.Select(pair => pair.Answer),
            pairs[0].AnswerType is null ? null : pairs.Select(pair => pair.AnswerType),
            path.StartsWith(root, StringComparison.Ordinal) ? path[root.Length..] : path,
            pairs.Select(pair => pair.Row)), _json);
    }
}
