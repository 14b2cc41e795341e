using Akka.Configuration;
using Alpro.Data.Places;

namespace Alpro.Actors;

/// <summary>
/// How a run is carried out (<c>alpro { … }</c> in HOCON). Nothing here may change a loss: what is trained is in the JSON.
/// </summary>
public sealed record ActorSettings
{
    /// <summary>Decoder actors, each with a thread of its own.</summary>
    public required int Decoders { get; init; }

    /// <summary>Whether that is the number of the host's cores, which its trainers share.</summary>
    public bool SharesCores { get; init; }

    /// <summary>Steps beyond the last delivered one for which clips may be made in any case.</summary>
    public required int Window { get; init; }

    /// <summary>Bytes of clips up to which the window grows with their latency.</summary>
    public required long WindowSize { get; init; }

    /// <summary>Finished batches that wait for the trainer, at most.</summary>
    public required int Prefetch { get; init; }

    /// <summary>Decode in child processes, so that a crash in native code costs one clip and not the run.</summary>
    public required bool IsolateDecoders { get; init; }

    /// <summary>Longest that one try to read a clip may take.</summary>
    public required TimeSpan DecodeDeadline { get; init; }

    /// <summary>How stores are asked, and the cache of what they answered.</summary>
    public required PlaceSettings Places { get; init; }

    /// <summary>How many of the decoders compute at once, where the others have clips in hand that are fetched; null for all.</summary>
    public int? Computing { get; init; }

    /// <summary>Clips that are in hand for each decoder where media lie in a store: one is decoded while the others are fetched.</summary>
    public required int ClipsPerDecoder { get; init; }

    /// <summary>After this long without an answer a decoder is given up and its clip given to another.</summary>
    public required TimeSpan LeaseTimeout { get; init; }

    /// <summary>After this long the end of an attempt waits no longer for decoders that are stuck in a read.</summary>
    public required TimeSpan StopTimeout { get; init; }

    /// <summary>Decoders that may die on one clip before the clip is rejected.</summary>
    public required int AttemptsPerClip { get; init; }

    /// <summary>Decoders that may die within a minute before the run fails.</summary>
    public required int MaxDecoderDeathsPerMinute { get; init; }

    /// <summary>Evaluators of an evaluation, each with a thread and a model of its own.</summary>
    public required int Evaluators { get; init; }

    /// <summary>
    /// Times within an hour that the trainer may be restarted from the last checkpoint, and in an evaluation that evaluators may be
    /// replaced.
    /// </summary>
    public required int MaxRestarts { get; init; }

    /// <summary>Times a checkpoint is tried before the run fails.</summary>
    public required int CheckpointTries { get; init; }

    /// <summary>Wait before a checkpoint is tried again; doubled each time.</summary>
    public required TimeSpan CheckpointBackOff { get; init; }

    /// <summary>Decoders of one of so many trainers on a host.</summary>
    public int DecodersBeside(int trainers) => SharesCores ? Math.Max(1, Decoders / trainers) : Decoders;

    /// <summary>Reads the <c>alpro</c> section; <c>decoders = auto</c> is the number of cores.</summary>
    public static ActorSettings From(Config hocon)
    {
        Config alpro = hocon.GetConfig("alpro");
        bool auto = alpro.GetString("decoders") == "auto";
        return new()
        {
            Decoders = auto ? Environment.ProcessorCount : alpro.GetInt("decoders"),
            SharesCores = auto,
            Window = alpro.GetInt("window"),
            WindowSize = alpro.GetByteSize("window-size") ?? 0,
            Prefetch = alpro.GetInt("prefetch"),
            IsolateDecoders = alpro.GetString("isolation") == "process",
            DecodeDeadline = alpro.GetTimeSpan("decode-deadline"),
            Places = new()
            {
                CacheFolder = alpro.GetString("cache.folder") switch
                {
                    "auto" => Path.Combine(PlaceSettings.UserFolder, "cache"),
                    "" => null,
                    var folder => folder,
                },
                CacheSize = alpro.GetByteSize("cache.size") ?? 0,
                Deadline = alpro.GetTimeSpan("store.deadline"),
            },
            ClipsPerDecoder = alpro.GetInt("store.clips-per-decoder"),
            LeaseTimeout = alpro.GetTimeSpan("lease-timeout"),
            StopTimeout = alpro.GetTimeSpan("stop-timeout"),
            AttemptsPerClip = alpro.GetInt("attempts-per-clip"),
            MaxDecoderDeathsPerMinute = alpro.GetInt("max-decoder-deaths-per-minute"),
            Evaluators = alpro.GetInt("evaluators"),
            MaxRestarts = alpro.GetInt("max-restarts"),
            CheckpointTries = alpro.GetInt("checkpoint.tries"),
            CheckpointBackOff = alpro.GetTimeSpan("checkpoint.back-off"),
        };
    }
}
