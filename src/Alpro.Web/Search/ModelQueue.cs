namespace Alpro.Web.Search;

/// <summary>
/// The queue before the models, which has an end: where it is full, it is better to say so than to answer late. A model that has begun
/// keeps its place until it is done, even if nobody waits for it any more.
/// </summary>
/// <param name="most">How many may be in it, the one whose turn it is included.</param>
/// <param name="patience">How long a visitor waits for an answer.</param>
/// <param name="time">The clock.</param>
internal sealed class ModelQueue(int most, TimeSpan patience, TimeProvider time)
{
    private int _inside;

    /// <summary>Asks, if there is room.</summary>
    /// <param name="ask">Asks the models; it should give up when it is told to.</param>
    /// <param name="gone">The visitor has gone.</param>
    /// <exception cref="Refusal">There is no room, or the answer takes too long.</exception>
    public async Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken gone)
    {
        if (Interlocked.Increment(ref _inside) > most)
        {
            Interlocked.Decrement(ref _inside);
            throw Refusal.Busy($"{most} others wait for the model already");
        }
        using var late = new CancellationTokenSource(patience, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(gone, late.Token);
        try
        {
            return await KeepPlaceAsync(ask, stop.Token).WaitAsync(stop.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            throw Refusal.Busy($"the answer took longer than {patience.TotalSeconds:0} s");
        }
    }

    private async Task<T> KeepPlaceAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken stop)
    {
        try
        {
            return await ask(stop);
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }
}
