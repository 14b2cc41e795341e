using System.Threading.Channels;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Training.Configuration;

namespace Alpro.Benchmarks;

/// <summary>Random batches, made when they are asked for; the time that takes is known.</summary>
/// <param name="config">The run.</param>
/// <param name="first">The step of the first.</param>
/// <param name="clock">Says what the trainer's thread spends in libtorch between two batches.</param>
/// <param name="write">Writes over what is random.</param>
internal sealed class SyntheticBatches(
    RunConfig config, long first = 0, LibtorchClock? clock = null, Action<ClipBatch, SeededRandom>? write = null) : ChannelReader<ClipBatch>
{
    private readonly List<double> _milliseconds = [];
    private readonly List<(ulong Inside, ulong Calls)> _libtorch = [];
    private ClipBatch? _next;

    public double Milliseconds(int last) => _milliseconds.TakeLast(last).Sum();

    /// <summary>Ticks that the trainer's thread was in libtorch in the last steps, and the calls.</summary>
    public (ulong Inside, ulong Calls) Libtorch(int last) => (clock!.Now().Inside - _libtorch[^last].Inside,
        clock.Now().Calls - _libtorch[^last].Calls);

    public override bool TryRead(out ClipBatch batch)
    {
        if (clock?.Now() is { } now) _libtorch.Add((now.Inside, now.Calls));
        (batch, _next) = (_next ?? Make(), null);
        return true;
    }

    public override bool TryPeek(out ClipBatch batch)
    {
        batch = _next ??= Make();
        return true;
    }

    public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) => ValueTask.FromResult(true);

    private ClipBatch Make()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var batch = new ClipBatch(first + _milliseconds.Count, config.Training.BatchSize, new(config.Data.Clip)) { IsVideo = true };
        var random = new SeededRandom((ulong)(first + _milliseconds.Count));
        foreach (ref ulong pixels in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(batch.Pixels_BTHWC))
            pixels = random.NextUInt64();
        Span<int> ids_BL = batch[ClipLayout.TokenIds];
        batch[ClipLayout.TokenCount].Fill(1);
        foreach (ref int id in ids_BL) id = 1 + random.NextInt32(999);
        ids_BL.CopyTo(batch[ClipLayout.MaskedIds]);
        for (int i = 0; i < ids_BL.Length; i++) batch[ClipLayout.MaskLabels][i] = i % 7 == 3 ? ids_BL[i] : -100;
        for (int i = 0; i < batch.Size; i++) (batch.Keys[i], batch.Regions_B[i]) = ($"clip{i}", new(0, 0, 32, 32));
        write?.Invoke(batch, random);
        _milliseconds.Add(watch.Elapsed.TotalMilliseconds);
        return batch;
    }
}
