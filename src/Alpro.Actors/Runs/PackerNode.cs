using Alpro.Actors.Distributed.Packing;
using Alpro.Actors.Distributed.Work;
using Alpro.Data.Packs;
using Alpro.Data.Workers;

namespace Alpro.Actors.Runs;

/// <summary>A node that packs corpora, with the help of the decode nodes of its cluster.</summary>
internal static class PackerNode
{
    /// <summary>Joins a cluster, and packs.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="pack">Packs; given what <see cref="CorpusPacker.Invite"/> becomes.</param>
    /// <param name="stop">Gives up.</param>
    public static Task RunAsync(NodeStart start, Func<Func<PackTerms, WorkerPool<IClipEncoder>, IDisposable>, Task> pack,
        CancellationToken stop) =>
        HelpedNode.RunAsync(start, (_, serve) => pack((terms, pool) => serve(Handout.Of(terms.Corpus, pool,
            async (stream, ended) => terms.Differences(await WireFrame.ExchangeAsync(stream, terms, ended)),
            static (stream, lost) => new RemoteEncoder(stream, lost)))), stop);
}
