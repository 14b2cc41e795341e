using System.Globalization;
using System.Text.RegularExpressions;
using Alpro.Tests.Support.Browser;
using Microsoft.Playwright;

namespace Alpro.Web.Tests;

/// <summary>A browser visits the page of a run that goes on, and the report of one that has ended.</summary>
public sealed partial class RunVisitTests(BrowserFixture browser, WatchedRun run) : IClassFixture<BrowserFixture>, IClassFixture<WatchedRun>
{
    private static readonly LocatorAssertionsToContainTextOptions _soon = new() { Timeout = 30_000 };

    private static ILocator Chart(Visit visit, string title) =>
        visit.Page.Locator(".chart").Filter(new() { Has = visit.Page.GetByRole(AriaRole.Heading, new() { Name = title, Exact = true }) });

    private static async Task<long> StepAsync(Visit visit) => long.Parse(
        Digits().Match(await visit.Page.Locator("#figures dd").First.InnerTextAsync()).Value.Replace(",", "", StringComparison.Ordinal),
        CultureInfo.InvariantCulture);

    [BrowserFact]
    public async Task Page_shows_verdict_flow_and_curves_that_grow_and_asks_no_other_host()
    {
        await using Visit visit = await browser.OpenAsync(await run.BegunAsync());
        await Assertions.Expect(visit.Page.Locator("#link")).ToContainTextAsync("live", _soon);
        await Assertions.Expect(visit.Page.Locator("#verdict strong")).ToContainTextAsync(".");
        await Assertions.Expect(visit.Page.Locator("#flow svg")).ToHaveAttributeAsync("aria-label", CorpusToCheckpoints());
        await Assertions.Expect(visit.Page.Locator("#flow")).ToContainTextAsync("world");
        long first = await StepAsync(visit);
        await visit.UntilAsync($"view.status.step > {first + 20} && curves.count * curves.width > {first}");
        Assert.True(await StepAsync(visit) > first);
        await Assertions.Expect(visit.Page.Locator("#events-list")).ToContainTextAsync("the checkpoint of step 50 is written", _soon);
        await Assertions.Expect(visit.Page.Locator("#batch img").First).ToBeVisibleAsync(new() { Timeout = 30_000 });
        await visit.AssertFitsAsync();
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("run-light");
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Hover_reads_values_a_drag_zooms_and_an_earlier_run_is_drawn_beside()
    {
        await using Visit visit = await browser.OpenAsync(await run.BegunAsync());
        ILocator loss = Chart(visit, "Loss"), at = loss.Locator(".at");
        await loss.Locator(".u-over").HoverAsync(new() { Position = new() { X = 3, Y = 40 } });
        await Assertions.Expect(at).ToHaveTextAsync(OneOfTheFirstSteps());
        await Assertions.Expect(loss.GetByRole(AriaRole.Button, new() { NameRegex = TotalAndValue() })).ToBeVisibleAsync();
        await visit.Page.Locator("#other").SelectOptionAsync("earlier");
        await Assertions.Expect(loss.GetByRole(AriaRole.Button, new() { NameRegex = TotalOfEarlier() })).ToBeVisibleAsync();
        LocatorBoundingBoxResult box = (await loss.Locator(".u-over").BoundingBoxAsync())!;
        await visit.Page.Mouse.MoveAsync(box.X + 30, box.Y + 50);
        await visit.Page.Mouse.DownAsync();
        await visit.Page.Mouse.MoveAsync(box.X + 200, box.Y + 50, new() { Steps = 4 });
        await visit.Page.Mouse.UpAsync();
        await visit.KeepAsync("run-zoomed");
        ILocator all = loss.GetByRole(AriaRole.Button, new() { Name = "Show all" });
        await all.ClickAsync();
        await Assertions.Expect(all).ToBeHiddenAsync();
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Keyboard_reads_and_zooms_a_chart_and_hides_a_curve_in_the_dark()
    {
        await using Visit visit = await browser.OpenAsync(await run.BegunAsync(), dark: true);
        ILocator loss = Chart(visit, "Loss");
        await loss.Locator(".plot").FocusAsync();
        await visit.Page.Keyboard.PressAsync("Home");
        await Assertions.Expect(loss.Locator(".at")).ToHaveTextAsync("step 0");
        await visit.Page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(loss.Locator(".at")).Not.ToHaveTextAsync("step 0");
        await visit.Page.Keyboard.PressAsync("+");
        ILocator all = loss.GetByRole(AriaRole.Button, new() { Name = "Show all" });
        await Assertions.Expect(all).ToBeVisibleAsync();
        await visit.Page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(all).ToBeHiddenAsync();
        await visit.Page.Keyboard.PressAsync("Tab");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(loss.Locator(".keys button").First).ToHaveAttributeAsync("aria-pressed", "false");
        await visit.Page.Keyboard.PressAsync("Enter");
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("run-dark");
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Page_fits_a_phone_behind_a_proxy_under_a_path()
    {
        await using PathProxy proxy = await PathProxy.StartAsync(await run.BegunAsync(), "/team/runs/7");
        await using Visit visit = await browser.OpenAsync(proxy.Address, width: 390);
        await Assertions.Expect(visit.Page.Locator("#link")).ToContainTextAsync("live", _soon);
        await Assertions.Expect(Chart(visit, "Loss").Locator("canvas")).ToBeVisibleAsync();
        await visit.AssertFitsAsync();
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("run-narrow");
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Report_is_the_page_in_one_file_that_asks_for_nothing()
    {
        await run.BegunAsync();
        await using Visit visit = await browser.OpenAsync(run.Report);
        await Assertions.Expect(visit.Page.Locator("#link")).ToHaveTextAsync("report");
        await Assertions.Expect(visit.Page.Locator("#origin")).ToContainTextAsync(Environment.MachineName);
        await Assertions.Expect(Chart(visit, "Validation: losses").Locator(".at")).ToHaveTextAsync("step 12");
        await Assertions.Expect(visit.Page.Locator("#account")).ToContainTextAsync("from the begin of a process to its first step");
        await Assertions.Expect(visit.Page.Locator("#config-text")).ToContainTextAsync("\"learningRate\"");
        await Assertions.Expect(visit.Page.Locator("#compare")).ToBeHiddenAsync();
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("report-small");
        visit.AssertQuiet();
        Assert.Empty(await visit.Page.EvaluateAsync<string[]>("performance.getEntriesByType('resource').map(one => one.name)"
            + ".filter(name => !name.startsWith('data:'))"));
    }

    [GeneratedRegex("[0-9,]+")]
    private static partial Regex Digits();

    [GeneratedRegex("^From corpus to checkpoints: ")]
    private static partial Regex CorpusToCheckpoints();

    [GeneratedRegex("^step [0-9]$")]
    private static partial Regex OneOfTheFirstSteps();

    [GeneratedRegex("^total [0-9.]+$")]
    private static partial Regex TotalAndValue();

    [GeneratedRegex("^total, earlier ")]
    private static partial Regex TotalOfEarlier();
}
