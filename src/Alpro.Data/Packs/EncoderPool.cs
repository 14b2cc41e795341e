using System.Threading.Channels;
using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Data.Packs;

/// <summary>
/// The encoders of a pack that is being made: those of this process, and those of others, which may come and go. The clip of one that is
/// lost goes to the next that is free. What cannot be read elsewhere is tried here. So the pack has the bytes, and leaves out the clips,
/// that it would without them.
/// </summary>
internal sealed class EncoderPool : IDisposable
{
    private const int MostLosses = 3;

    private readonly Channel<(IClipEncoder Encoder, bool IsHere)> _free = Channel.CreateUnbounded<(IClipEncoder, bool)>();
    private readonly List<IClipEncoder> _encoders = [];
    private readonly IClipEncoder _last;
    private readonly SemaphoreSlim _lastIsFree = new(1);
    private bool _closed;
    private int _elsewhere;

    /// <summary>A pool of this process's encoders.</summary>
    /// <param name="create">Makes one.</param>
    /// <param name="workers">How many are busy at once, while no clip has come back from elsewhere.</param>
    public EncoderPool(Func<IClipEncoder> create, int workers)
    {
        _last = create();
        for (int worker = 0; worker < workers; worker++) Add(create(), isHere: true);
    }

    /// <summary>How many encoders there are.</summary>
    public int Count
    {
        get
        {
            lock (_encoders) return _encoders.Count;
        }
    }

    /// <summary>Clips that others encoded.</summary>
    public int Elsewhere => Volatile.Read(ref _elsewhere);

    /// <summary>Takes in an encoder of another process.</summary>
    public void Add(IClipEncoder encoder) => Add(encoder, isHere: false);

    /// <summary>Gives up an encoder of another process.</summary>
    public void Remove(IClipEncoder encoder)
    {
        lock (_encoders) _encoders.Remove(encoder);
        encoder.Dispose();
    }

    /// <summary>Encodes a clip with the next encoder that is free.</summary>
    /// <returns>The clip, or why it cannot be read.</returns>
    public async Task<(EncodedClip?, UnreadableClipException?)> EncodeAsync(VideoTextPair clip, CancellationToken stop)
    {
        for (int losses = 0; losses < MostLosses;)
        {
            (IClipEncoder encoder, bool isHere) = await _free.Reader.ReadAsync(stop).ConfigureAwait(false);
            lock (_encoders)
                if (!_encoders.Contains(encoder)) continue;          // it was given up
            try
            {
                EncodedClip made = await Task.Run(() => encoder.EncodeAsync(clip, stop), stop).ConfigureAwait(false);
                _free.Writer.TryWrite((encoder, isHere));
                if (!isHere) Interlocked.Increment(ref _elsewhere);
                return (made, null);
            }
            catch (UnreadableClipException trouble)
            {
                _free.Writer.TryWrite((encoder, isHere));
                if (isHere) return (null, trouble);
                break;
            }
            catch (IOException) when (!isHere)
            {
                Remove(encoder);
                losses++;
            }
        }
        await _lastIsFree.WaitAsync(stop).ConfigureAwait(false);
        try
        {
            return (await Task.Run(() => _last.EncodeAsync(clip, stop), stop).ConfigureAwait(false), null);
        }
        catch (UnreadableClipException trouble)
        {
            return (null, trouble);
        }
        finally
        {
            _lastIsFree.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_encoders)
        {
            _closed = true;
            foreach (IClipEncoder encoder in _encoders) encoder.Dispose();
        }
        _last.Dispose();
        _lastIsFree.Dispose();
    }

    private void Add(IClipEncoder encoder, bool isHere)
    {
        lock (_encoders)
        {
            if (!_closed) _encoders.Add(encoder);
            else encoder.Dispose();
        }
        _free.Writer.TryWrite((encoder, isHere));
    }
}
