using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Alpro.Tests.Support.Browser;

/// <summary>A page that a browser has open. It remembers what went wrong in it, and whom else it asked for something.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly List<string> _errors = [], _elsewhere = [];

    internal Visit(IPage page, Uri address)
    {
        Page = page;
        page.PageError += (_, error) => Add(_errors, error);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning") Add(_errors, message.Text);
        };
        page.Request += (_, request) =>
        {
            var asked = new Uri(request.Url);
            if (asked.Scheme is not ("data" or "blob") && asked.Authority != address.Authority) Add(_elsewhere, request.Url);
        };
    }

    /// <summary>The page.</summary>
    public IPage Page { get; }

    /// <summary>The page had no error, and asked no other host for anything.</summary>
    public void AssertQuiet()
    {
        lock (_errors) Assert.Empty(_errors);
        lock (_elsewhere) Assert.Empty(_elsewhere);
    }

    /// <summary>Whoever uses a keyboard or a reader of screens can use the page: axe finds no serious fault.</summary>
    public async Task AssertAccessibleAsync()
    {
        AxeResult found = await Page.RunAxe();
        Assert.Empty(found.Violations.Where(fault => fault.Impact is "serious" or "critical")
            .Select(fault => $"{fault.Id}: {fault.Help}: {string.Join(" | ", fault.Nodes.Select(node => node.Html))}"));
    }

    /// <summary>Nothing of the page is wider than the window.</summary>
    public async Task AssertFitsAsync() => Assert.True(await Page.EvaluateAsync<bool>(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "the page is wider than its window");

    /// <summary>Waits until an expression of the page's script is true.</summary>
    public async Task UntilAsync(string expression)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await Page.EvaluateAsync<bool>($"!!({expression})"))
        {
            if (deadline.IsCancellationRequested) Assert.Fail($"{expression}: not in time:\n{await Page.InnerTextAsync("body")}");
            await Task.Delay(50);
        }
    }

    /// <summary>Keeps a picture of the whole page where ALPRO_SCREENSHOTS names a folder for them.</summary>
    public async Task KeepAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("ALPRO_SCREENSHOTS") is not { Length: > 0 } folder) return;
        await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, $"{name}.png"), FullPage = true });
    }

    public async ValueTask DisposeAsync() => await Page.Context.DisposeAsync();

    private static void Add(List<string> list, string entry)
    {
        lock (list) list.Add(entry);
    }
}
