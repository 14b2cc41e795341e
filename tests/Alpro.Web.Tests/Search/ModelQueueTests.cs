using Alpro.Web.Search;

namespace Alpro.Web.Tests.Search;

public sealed class ModelQueueTests
{
    private readonly TaskCompletionSource<int> _first = new(), _second = new();

    [Fact]
    public async Task Full_queue_refuses_until_one_is_done()
    {
        var queue = new ModelQueue(2, Timeout.InfiniteTimeSpan, TimeProvider.System);
        Task<int> first = queue.AskAsync(_ => _first.Task, default), second = queue.AskAsync(_ => _second.Task, default);
        Refusal refused = await Assert.ThrowsAsync<Refusal>(() => queue.AskAsync(_ => Task.FromResult(3), default));
        Assert.Equal((503, "Try again in a moment: 2 others wait for the model already."), (refused.Status, refused.Message));
        _first.SetResult(1);
        Assert.Equal(1, await first);
        Assert.Equal(4, await queue.AskAsync(_ => Task.FromResult(4), default));
        _second.SetResult(2);
        Assert.Equal(2, await second);
    }

    [Fact]
    public async Task Late_answer_is_refused_and_keeps_its_place_until_the_model_is_done()
    {
        var queue = new ModelQueue(1, TimeSpan.Zero, TimeProvider.System);
        Refusal refused = await Assert.ThrowsAsync<Refusal>(() => queue.AskAsync(_ => _first.Task, default));
        Assert.Equal((503, "Try again in a moment: the answer took longer than 0 s."), (refused.Status, refused.Message));
        refused = await Assert.ThrowsAsync<Refusal>(() => queue.AskAsync(_ => _second.Task, default));
        Assert.Contains("others wait", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Visitor_who_goes_tells_the_model()
    {
        var queue = new ModelQueue(1, Timeout.InfiniteTimeSpan, TimeProvider.System);
        using var gone = new CancellationTokenSource();
        CancellationToken told = default;
        Task<int> asked = queue.AskAsync(stop =>
        {
            told = stop;
            return _first.Task;
        }, gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        Assert.True(told.IsCancellationRequested);
    }

    [Fact]
    public async Task Failure_frees_its_place()
    {
        var queue = new ModelQueue(1, Timeout.InfiniteTimeSpan, TimeProvider.System);
        _first.SetException(new InvalidOperationException());
        await Assert.ThrowsAsync<InvalidOperationException>(() => queue.AskAsync(_ => _first.Task, default));
        Assert.Equal(1, await queue.AskAsync(_ => Task.FromResult(1), default));
    }
}
