using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Inputs;

/// <summary>
/// Makes the tensors of a batch on the model's device. Pixels travel as bytes, through pinned memory where there is a GPU, and are
/// normalised there. What the host knows, such as where the masks are, is not asked of the device.
/// </summary>
internal sealed class BatchTensors : IDisposable
{
    /// <summary>
    /// The label that cross-entropy leaves out: an answer that has no label teaches nothing, and is not right whatever is chosen.
    /// </summary>
    private const long Ignored = -100;

    private static readonly float[] _mean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly float[] _deviation = [0.26862954f, 0.26130258f, 0.27577711f];

    private readonly Device _device;
    private readonly int _patch;
    private readonly Tensor _scale_C11, _shift_C11;
    private (ClipBatch Batch, Tensor Pixels)? _ahead;

    /// <summary>Tensors for a device and a model whose patches have this side.</summary>
    public BatchTensors(Device device, int patchSize)
    {
        (_device, _patch) = (device, patchSize);
        using var scope = NewDisposeScope();
        _scale_C11 = tensor([.. _deviation.Select(deviation => 1 / (255 * deviation))], [3, 1, 1]).to(device).DetachFromDisposeScope();
        _shift_C11 = tensor([.. _mean.Zip(_deviation, (mean, deviation) => mean / deviation)],
            [3, 1, 1]).to(device).DetachFromDisposeScope();
    }

    /// <summary>Sends the pixels of the batch that comes next on their way to the device, behind the work that is queued there.</summary>
    public void Ahead(ClipBatch batch)
    {
        if (_device.type == DeviceType.CPU) return;                  // they are where they are needed
        using var scope = NewDisposeScope();
        _ahead?.Pixels.Dispose();
        _ahead = (batch, Pixels(batch, 0, batch.Size).DetachFromDisposeScope());
    }

    /// <summary>The tensors of some clips of a batch, which must outlive them; they belong to the caller's dispose scope.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="first">The first clip.</param>
    /// <param name="count">How many.</param>
    public ModelInputs Of(ClipBatch batch, int first, int count)
    {
        Tensor video_BTCHW = Normalised(batch, first, count);
        Tensor? outside_BHW = batch.Layout.Has(ClipLayout.Region) ? Outside(batch, first, count) : null;
        return new ModelInputs
        {
            Video_BTCHW = video_BTCHW,
            TokenIds_BL = Rows(ClipLayout.TokenIds)!,
            TokenMask_BL = Rows(ClipLayout.TokenCount)!,
            MaskedIds_BL = Rows(ClipLayout.MaskedIds),
            MaskLabels_BL = Rows(ClipLayout.MaskLabels),
            MaskPositions = batch.Layout.Has(ClipLayout.MaskLabels) ? Numbers(Chosen(Of(ClipLayout.MaskLabels))) : null,
            RegionMask_BHW = outside_BHW,
            CropVideo_BTCHW = outside_BHW is null ? null : Crop(video_BTCHW, outside_BHW),
            IsVideo = batch.IsVideo,
            Answers_B = Numbers([.. Wide(Of(ClipLayout.Answer)).Select(answer => answer < 0 ? Ignored : answer)]),
        };

        Tensor? Rows(ClipField field) =>
            batch.Layout.Has(field) ? Numbers(Wide(Of(field))).view(count, batch.Layout.RowLength(field)) : null;

        ReadOnlySpan<int> Of(ClipField field)
        {
            int length = batch.Layout.RowLength(field);
            return batch[field].Slice(first * length, count * length);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scale_C11.Dispose();
        _shift_C11.Dispose();
        _ahead?.Pixels.Dispose();
    }

    /// <summary>(pixel / 255 - mean) / deviation, [B, T, 3, H, W].</summary>
    private Tensor Normalised(ClipBatch batch, int first, int count)
    {
        using var scope = NewDisposeScope();
        Tensor pixels_BTHWC = _ahead is { } ahead && ReferenceEquals(ahead.Batch, batch) ? ahead.Pixels.narrow(0, first, count)
            : Pixels(batch, first, count);
        Tensor video_BTCHW = pixels_BTHWC.permute(0, 1, 4, 2, 3).to(ScalarType.Float32).contiguous();
        return video_BTCHW.mul_(_scale_C11).sub_(_shift_C11).MoveToOuterDisposeScope();
    }

    /// <summary>Bytes on the device, [B, T, H, W, 3].</summary>
    private Tensor Pixels(ClipBatch batch, int first, int count)
    {
        int clip = batch.Frames * batch.Side * batch.Side * 3;
        return ToDevice(frombuffer(batch.PixelBuffer, ScalarType.Byte, (long)count * clip, (long)first * clip))
            .view([count, batch.Frames, batch.Side, batch.Side, 3]);
    }

    /// <summary>The frames with everything outside the region 0.</summary>
    private Tensor Crop(Tensor video_BTCHW, Tensor outside_BHW)
    {
        using var scope = NewDisposeScope();
        long[] shape = video_BTCHW.shape;
        Tensor inside = outside_BHW.OneMinus().view([shape[0], 1, 1, shape[3] / _patch, 1, shape[4] / _patch, 1]);
        return video_BTCHW.view([shape[0], shape[1], shape[2], shape[3] / _patch, _patch, shape[4] / _patch, _patch])
            .mul(inside).view(shape).MoveToOuterDisposeScope();
    }

    /// <summary>0 inside the region of each clip, 1 outside, [B, H/p, W/p].</summary>
    private Tensor Outside(ClipBatch batch, int first, int count)
    {
        int side = batch.Side / _patch;
        float[] outside = new float[count * side * side];
        Array.Fill(outside, 1);
        for (int i = 0; i < count; i++)
        {
            PixelRectangle region = batch.Regions_B[first + i];
            for (int row = region.Top / _patch; row < (region.Top + region.Height) / _patch; row++)
                outside.AsSpan((i * side + row) * side + region.Left / _patch, region.Width / _patch).Clear();
        }
        using var scope = NewDisposeScope();
        return ToDevice(tensor(outside, [count, side, side])).MoveToOuterDisposeScope();
    }

    private static long[] Chosen(ReadOnlySpan<int> labels)
    {
        var positions = new List<long>(labels.Length / 4);
        for (int i = 0; i < labels.Length; i++)
            if (labels[i] >= 0) positions.Add(i);
        return [.. positions];
    }

    private static long[] Wide(ReadOnlySpan<int> numbers)
    {
        long[] wide = new long[numbers.Length];
        for (int i = 0; i < wide.Length; i++) wide[i] = numbers[i];
        return wide;
    }

    private Tensor Numbers(long[] numbers)
    {
        using var scope = NewDisposeScope();
        return ToDevice(tensor(numbers)).MoveToOuterDisposeScope();
    }

    private Tensor ToDevice(Tensor tensor) => ToDevice(tensor, _device);

    /// <summary>A tensor of the host on its way to a device, behind the work that is queued there: nobody waits for it.</summary>
    internal static Tensor ToDevice(Tensor tensor, Device device) =>
        device.type == DeviceType.CPU ? tensor : tensor.pin_memory().to(device, non_blocking: true);
}
