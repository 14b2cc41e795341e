using System.Buffers;
using System.Diagnostics;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Data.Sampling;
using Alpro.Data.Text;

namespace Alpro.Data.Clips;

/// <summary>
/// Makes clips: reads a row's media, chooses frames, crops and augments them, tokenises and masks the caption, draws the rectangle of
/// entity modelling. The request alone decides the clip, bit for bit. An instance belongs to one decoder and one thread, and owns its
/// reader; it keeps its scratch memory between clips.
/// </summary>
public sealed class ClipLoader : IClipSource
{
    private const int MaxImageSide = 2048;

    private readonly IReadOnlyList<VideoTextCorpus> _corpora;
    private readonly ClipSettings _settings;
    private readonly ClipLayout _layout;
    private readonly CaptionTokenizer _tokenizer;
    private readonly IFrameReader _reader;
    private readonly IReadOnlyDictionary<string, int>? _answers;
    private readonly SemaphoreSlim? _processors;
    private readonly FrameAugmenter _augmenter;
    private readonly TokenMasker? _masker;
    private readonly RegionSampler? _regions;
    private readonly int[] _indices;
    private TimeSpan _reading;                                       // of the clip under way: in the reader

    /// <summary>A loader over the corpora of a run.</summary>
    /// <param name="corpora">The corpora that requests name by number.</param>
    /// <param name="settings">How a row becomes a clip.</param>
    /// <param name="tokenizer">The tokenizer; it may be shared.</param>
    /// <param name="reader">The frame reader; the loader disposes it.</param>
    /// <param name="answers">Labels of question answering: an answer that is not among them gets -1.</param>
    /// <param name="processors">What bounds how many loaders compute at once; null where nothing needs to.</param>
    public ClipLoader(IReadOnlyList<VideoTextCorpus> corpora, ClipSettings settings, CaptionTokenizer tokenizer, IFrameReader reader,
        IReadOnlyDictionary<string, int>? answers = null, SemaphoreSlim? processors = null)
    {
        if (settings.DecodeSize < settings.Size)
            throw new ArgumentException(
                $"frames decoded to {settings.DecodeSize} pixels cannot be cropped to {settings.Size}: decodeSize must be at least size");
        _corpora = corpora;
        _settings = settings;
        _layout = new(settings);
        _tokenizer = tokenizer;
        _reader = reader;
        _answers = answers;
        _processors = processors;
        _augmenter = new FrameAugmenter(settings.Size);
        _masker = settings.MaskProbability > 0 ? new TokenMasker(tokenizer, settings.MaskProbability) : null;
        _regions = settings.RegionPatch > 0 ? new RegionSampler(settings.Size, settings.RegionPatch) : null;
        _indices = new int[settings.Frames];
    }

    /// <inheritdoc/>
    public TimeSpan Waited { get; private set; }

    /// <summary>Makes one clip; the caller disposes it.</summary>
    /// <exception cref="UnreadableClipException">The row's media or text cannot be used.</exception>
    public Clip Load(ClipRequest request)
    {
        Waited = TimeSpan.Zero;
        VideoTextPair pair = _corpora[request.Corpus][request.Row];
        var clip = new Clip(request, _layout) { Key = pair.Key, Kind = pair.Kind };
        try
        {
            long began = Stopwatch.GetTimestamp();
            Annotate(pair, request.Seed, clip);
            long annotated = Stopwatch.GetTimestamp();
            Read(pair, request.Seed, clip.Pixels_THWC);
            Measure(Stopwatch.GetElapsedTime(began, annotated), Stopwatch.GetElapsedTime(annotated));
            return clip;
        }
        catch
        {
            clip.Dispose();
            throw;
        }
    }

    /// <summary>Closes the reader.</summary>
    public void Dispose() => _reader.Dispose();

    /// <summary>
    /// Tells where the time of a clip went. What the reader spends outside of codec and conversion is reading, waits for a slow disk
    /// included. The time of a reader that cannot tell them apart is all decoding.
    /// </summary>
    private void Measure(TimeSpan annotating, TimeSpan picturing)
    {
        DataMetrics.Decoded();
        DataMetrics.Took("tokenize", annotating);
        DataMetrics.Took("augment", picturing - _reading - Waited);
        if (_processors is not null) DataMetrics.Took("wait", Waited);
        if (_reader.Statistics is not { } spent)
        {
            DataMetrics.Took("decode", _reading);
            return;
        }
        TimeSpan decoding = TimeSpan.FromTicks(spent.DecodeNanoseconds / TimeSpan.NanosecondsPerTick),
            converting = TimeSpan.FromTicks(spent.ConvertNanoseconds / TimeSpan.NanosecondsPerTick);
        DataMetrics.Took("read", _reading - decoding - converting);
        DataMetrics.Took("decode", decoding);
        DataMetrics.Took("convert", converting);
        DataMetrics.ReadMedia(spent.Bytes);
    }

    /// <summary>Everything about the clip that is not pixels.</summary>
    private void Annotate(VideoTextPair pair, ulong seed, Clip clip)
    {
        clip.TokenCount = _tokenizer.Encode(ChooseCaption(pair, seed), clip[ClipLayout.TokenIds]);
        if (_masker is not null)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Mask);
            _masker.Mask(clip[ClipLayout.TokenIds], ref random, clip[ClipLayout.MaskedIds], clip[ClipLayout.MaskLabels]);
        }
        if (_regions is not null)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Region);
            clip.Region = _regions.Sample(ref random);
        }
        if (_answers is not null && pair.Answer is not null && _answers.TryGetValue(pair.Answer, out int label)) clip.Answer = label;
    }

    private static string ChooseCaption(VideoTextPair pair, ulong seed)
    {
        IReadOnlyList<string> captions = pair.Captions;
        if (captions.Count == 0)
            throw new UnreadableClipException(
                RejectReason.BadText, Place.NameOf(pair.Media.Path), $"row {pair.Row} ('{pair.Key}') has no caption");
        return captions.Count == 1 ? captions[0] : captions[SeededRandom.For(seed, RandomPurpose.Caption).NextInt32(captions.Count)];
    }

    /// <summary>First whatever may wait for a store; then, with a processor to itself, what computes.</summary>
    private void Read(VideoTextPair pair, ulong seed, Span<byte> pixels_THWC)
    {
        long began = Stopwatch.GetTimestamp();
        VideoInfo info = _reader.Open(pair.Media);
        if (pair.Kind == MediaKind.Video)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Frames);
            FrameSampler.Choose(_settings.Strategy, pair.Frames, info.FrameCount, ref random, _indices);
        }
        _reader.Fetch(pair.Kind == MediaKind.Video ? _indices : [0]);
        long fetched = Stopwatch.GetTimestamp();
        _reading = Stopwatch.GetElapsedTime(began, fetched);
        _processors?.Wait();
        Waited = Stopwatch.GetElapsedTime(fetched);
        try
        {
            Decode(pair, info, seed, pixels_THWC);
        }
        finally
        {
            _processors?.Release();
        }
    }

    private void Decode(VideoTextPair pair, VideoInfo info, ulong seed, Span<byte> pixels_THWC)
    {
        if (pair.Kind == MediaKind.Video)
        {
            ReadSquare(_indices, seed, pixels_THWC);
            if (_settings.Augment != Augmentation.None) _augmenter.AugmentVideo(pixels_THWC, seed);
            return;
        }

        int frameBytes = pixels_THWC.Length / _settings.Frames;
        Span<byte> frame_HWC = pixels_THWC[..frameBytes];
        if (_settings.Augment == Augmentation.Pretrain)
        {
            ReadCut(info, seed, frame_HWC);
            _augmenter.AugmentImage(frame_HWC, seed);
        }
        else
        {
            ReadSquare([0], seed, frame_HWC);
            if (_settings.Augment != Augmentation.None) _augmenter.AugmentVideo(frame_HWC, seed);
        }
        for (int at = frameBytes; at < pixels_THWC.Length; at += frameBytes) frame_HWC.CopyTo(pixels_THWC[at..]);
    }

    /// <summary>Frames decoded to a square, and the finished square cut out of it where that is smaller.</summary>
    private void ReadSquare(ReadOnlySpan<int> indices, ulong seed, Span<byte> pixels_THWC)
    {
        int side = _settings.DecodeSize;
        if (side == _settings.Size)
        {
            ReadFrames(indices, side, side, _settings.Resize, pixels_THWC);
            return;
        }
        int length = indices.Length * side * side * 3;
        byte[] decoded = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            ReadFrames(indices, side, side, _settings.Resize, decoded.AsSpan(0, length));
            _augmenter.Crop(decoded.AsSpan(0, length), side, centre: _settings.Augment != Augmentation.Pretrain, seed, pixels_THWC);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(decoded);
        }
    }

    /// <summary>A random rectangle of an image at its own size, scaled to a frame.</summary>
    private void ReadCut(VideoInfo info, ulong seed, Span<byte> frame_HWC)
    {
        // A picture far larger than a frame is shrunk while decoding: its smallest cut is then still larger than the frame.
        double shrink = Math.Min(1, (double)MaxImageSide / Math.Max(info.Width, info.Height));
        int width = Math.Max(1, (int)(info.Width * shrink)), height = Math.Max(1, (int)(info.Height * shrink));
        int length = width * height * 3;
        byte[] image = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            ReadFrames([0], width, height, ResizeFilter.Bicubic, image.AsSpan(0, length));
            _augmenter.CropImage(image.AsSpan(0, length), width, seed, frame_HWC);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(image);
        }
    }

    private void ReadFrames(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        long began = Stopwatch.GetTimestamp();
        _reader.Read(indices, width, height, filter, pixels_THWC);
        _reading += Stopwatch.GetElapsedTime(began);
    }
}
