using Akka.Configuration;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Pipeline;

/// <summary>Clips of a few bytes, whose pixels follow from their requests.</summary>
internal static class TestClips
{
    public static readonly ClipSettings Settings = new() { Frames = 1, DecodeSize = 8, Size = 8, TextLength = 4 };

    /// <summary>The running settings of <c>hocon/alpro.conf</c>.</summary>
    public static ActorSettings Running { get; } =
        ActorSettings.From(ConfigurationFactory.ParseString(File.ReadAllText(RunningSettings.ConfFile("alpro.conf"))));

    public static ClipRequest Request(long row) => new(Step: row, Slot: 0, Attempt: 0, Corpus: 0, row, Seed: (ulong)row);

    public static Clip Of(ClipRequest request)
    {
        var clip = new Clip(request, new(Settings)) { Key = $"row {request.Row}", TokenCount = 1, Answer = -1 };
        SeededRandom random = new(request.Seed);
        foreach (ref byte pixel in clip.Pixels_THWC) pixel = (byte)random.NextUInt64();
        return clip;
    }

    /// <summary>Makes such clips; a failure may be injected before each.</summary>
    public sealed class Source(Action<ClipRequest> before) : IClipSource
    {
        public Clip Load(ClipRequest request)
        {
            before(request);
            return Of(request);
        }

        public void Dispose() { }
    }
}
