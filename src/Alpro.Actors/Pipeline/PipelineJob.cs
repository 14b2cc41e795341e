using System.Threading.Channels;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>What a <see cref="ClipPipeline"/> makes.</summary>
/// <param name="Plan">The clips of each step.</param>
/// <param name="Clips">How they are made.</param>
/// <param name="FirstStep">The step at which it begins.</param>
/// <param name="EndStep">The step before which it ends.</param>
/// <param name="Bounds">How many clips may be unreadable.</param>
/// <param name="Ledger">Receives what became of the clips.</param>
/// <param name="Batches">Receives the batches, in the order of their steps.</param>
internal sealed record PipelineJob(
    IClipPlan Plan, ClipSettings Clips, long FirstStep, long EndStep,
    ClipCoordinator.Bounds Bounds, ClipLedger Ledger, ChannelWriter<ClipBatch> Batches);
