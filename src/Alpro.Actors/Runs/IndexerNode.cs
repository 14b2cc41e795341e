using Alpro.Actors.Distributed.Indexing;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Search;
using Alpro.Data.Workers;

namespace Alpro.Actors.Runs;

/// <summary>A node that indexes videos, with the help of the encoders of its cluster.</summary>
internal static class IndexerNode
{
    /// <summary>Joins a cluster, and indexes.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="job">What to index.</param>
    /// <param name="stop">Asks it to stop; what is done stays.</param>
    public static async Task<IndexReport> RunAsync(NodeStart start, IndexJob job, CancellationToken stop)
    {
        IndexReport? report = null;
        await HelpedNode.RunAsync(start, async (node, serve) => report = await (job with
        {
            Invite = (terms, pool) => serve(Offer(job.Output, terms, pool)),
        }).RunAsync(node, stop), stop);
        return report!;
    }

    /// <summary>What encoders may help with.</summary>
    internal static Handout Offer(string index, IndexTerms terms, WorkerPool<IWindowEncoder> pool) => Handout.Of(index, pool,
        async (stream, ended) => terms.Differences((await WireFrame.ExchangeAsync(stream, terms, ended)).Data),
        (stream, lost) => new RemoteWindowEncoder(stream, terms, lost));
}
