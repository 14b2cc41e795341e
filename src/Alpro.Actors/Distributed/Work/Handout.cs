using Alpro.Data.Workers;

namespace Alpro.Actors.Distributed.Work;

/// <summary>What a process makes in pieces, and lets nodes of its cluster help with.</summary>
/// <param name="What">What is made, for a person.</param>
/// <param name="AgreeAsync">
/// Compares over a new connection what must be the same in both processes; returns what is not, in words.
/// </param>
/// <param name="Join">
/// Takes in the worker at the other end of a connection, which tells the second when it is lost; what it returns gives the worker up.
/// </param>
/// <param name="Elsewhere">Pieces that nodes have done.</param>
internal sealed record Handout(string What, Func<Stream, CancellationToken, Task<string>> AgreeAsync,
    Func<Stream, Action<string>, Action> Join, Func<int> Elsewhere)
{
    /// <summary>Pieces that the workers of a pool do.</summary>
    /// <param name="what">What is made, for a person.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="agreeAsync">As <see cref="AgreeAsync"/>.</param>
    /// <param name="open">The worker at the other end of a connection; told whom to tell when it is lost.</param>
    public static Handout Of<TWorker>(string what, WorkerPool<TWorker> pool, Func<Stream, CancellationToken, Task<string>> agreeAsync,
        Func<Stream, Action<string>, TWorker> open) where TWorker : class, IDisposable =>
        new(what, agreeAsync, (stream, lost) =>
        {
            TWorker worker = open(stream, lost);
            pool.Add(worker);
            return () => pool.Remove(worker);
        }, () => pool.Elsewhere);
}

/// <summary>A node is of no use to a process that it would help.</summary>
internal sealed class CannotHelpException(string message) : Exception(message);
