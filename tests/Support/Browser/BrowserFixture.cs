using System.Reflection;
using Microsoft.Playwright;

namespace Alpro.Tests.Support.Browser;

/// <summary>A fact that needs Chromium: skipped, with a message, where it is absent.</summary>
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (BrowserFixture.Chromium is null) Skip = "needs Chromium (Debian: chromium)";
    }
}

/// <summary>One browser for all tests of a class: the system's Chromium, without a window. It starts with the first visit.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>The system's Chromium; null where there is none.</summary>
    public static string? Chromium { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "chromium")).FirstOrDefault(File.Exists);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_browser is not null) await _browser.CloseAsync();
        _playwright?.Dispose();
    }

    /// <summary>Opens a page.</summary>
    /// <param name="address">The page, or a file.</param>
    /// <param name="dark">Whether the visitor prefers a dark page.</param>
    /// <param name="width">Width of the window, in pixels of CSS.</param>
    public async Task<Visit> OpenAsync(Uri address, bool dark = false, int width = 1280)
    {
        _browser ??= await StartAsync();
        IBrowserContext context = await _browser.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = 900 },
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            ReducedMotion = ReducedMotion.Reduce,
            IsMobile = width < 600,
            HasTouch = width < 600,
        });
        var visit = new Visit(await context.NewPageAsync(), address);
        await visit.Page.GotoAsync(address.AbsoluteUri);
        return visit;
    }

    private async Task<IBrowser> StartAsync()
    {
        string package = typeof(BrowserFixture).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(entry => entry.Key == "Playwright").Value!;
        // What a package holds need not be executable when it has been unpacked.
        foreach (string node in Directory.EnumerateFiles(Path.Combine(package, ".playwright", "node"), "node", SearchOption.AllDirectories))
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(node) & UnixFileMode.UserExecute) == 0)
                File.SetUnixFileMode(node, File.GetUnixFileMode(node) | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable("PLAYWRIGHT_DRIVER_SEARCH_PATH", package);
        _playwright = await Playwright.CreateAsync();
        return await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Chromium, Args = ["--no-sandbox", "--disable-gpu"] });
    }
}
