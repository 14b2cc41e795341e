using System.Text.RegularExpressions;
using Alpro.Tests.Support.Browser;
using Alpro.Web.Search;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Alpro.Web.Tests.Search;

/// <summary>The page of an index, in a browser.</summary>
[Collection(SmallIndex.Name)]
public sealed class SearchPageTests(SmallIndex index, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    [BrowserFact]
    public async Task Search_is_in_the_address_and_every_result_has_a_link()
    {
        await using Visit visit = await OpenAsync();
        ILocator cards = visit.Page.Locator("#results li");
        await Expect(cards).ToHaveCountAsync(SmallIndex.Videos);
        await SearchAsync(visit, "two large red circles");
        await Expect(visit.Page.Locator("#found")).ToHaveTextAsync("Moments for “two large red circles”");
        await Expect(cards).ToHaveCountAsync(SmallIndex.Moments);
        await Expect(visit.Page.Locator("#status")).ToContainTextAsync("the best 24 of 24 moments, fitting or not");
        await Expect(cards.First).ToContainTextAsync("similarity");
        Assert.EndsWith("?text=two+large+red+circles", visit.Page.Url, StringComparison.Ordinal);

        await visit.Page.GetByLabel("Match the best again").CheckAsync();
        await Expect(cards.First).ToContainTextAsync("match");
        await visit.Page.GetByLabel("Folder").SelectOptionAsync("first/below");
        await Expect(cards).ToHaveCountAsync(SmallIndex.OfEach);
        await visit.Page.GetByLabel("Least seconds").FillAsync("3");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Expect(visit.Page.Locator("#status")).ToHaveTextAsync("Nothing passes the filters.");
        await visit.Page.GoBackAsync();
        await Expect(cards).ToHaveCountAsync(SmallIndex.OfEach);

        await cards.First.Locator(".open").ClickAsync();
        string link = (await visit.Page.Locator("#link").GetAttributeAsync("href"))!;
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(visit.Page.Locator("#moment")).ToBeHiddenAsync();
        await Expect(visit.Page).Not.ToHaveURLAsync(new Regex("open="));            // the browser goes back by itself
        await visit.Page.GotoAsync(link);
        await Expect(visit.Page.Locator("#title")).ToHaveTextAsync("2.mp4");
        await visit.Page.ReloadAsync();
        await Expect(visit.Page.Locator("#moment")).ToBeVisibleAsync();
        await visit.Page.Locator("#close").ClickAsync();
        await Expect(cards).ToHaveCountAsync(SmallIndex.OfEach);
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task What_is_pressed_while_a_moment_closes_is_not_lost()
    {
        await using Visit visit = await OpenAsync("?text=two+large+red+circles");
        await visit.Page.Locator("#results .open").First.ClickAsync();
        await Expect(visit.Page.Locator("#moment")).ToBeVisibleAsync();
        await visit.Page.EvaluateAsync("""
            document.getElementById("moment").addEventListener("close", () => document.getElementById("home").click(), { once: true });
            """);
        await visit.Page.Locator("#close").ClickAsync();
        await Expect(visit.Page.Locator("#found")).ToHaveTextAsync("Moments");
        await visit.Page.GoBackAsync();
        await Expect(visit.Page.Locator("#found")).ToHaveTextAsync("Moments for “two large red circles”");
        await Expect(visit.Page.Locator("#moment")).ToBeHiddenAsync();
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Moment_plays_under_the_pointer_and_opens_at_its_second()
    {
        await using Visit visit = await OpenAsync($"?like={SmallIndex.Hostile}&folder=first");
        await visit.Page.EmulateMediaAsync(new() { ReducedMotion = ReducedMotion.NoPreference });
        ILocator card = visit.Page.Locator("#results li", new() { HasText = "0:00.5–0:01" }).Filter(new() { HasText = "0.mp4" });
        await card.HoverAsync();
        await PlaysFromAsync(visit.Page.Locator("li.plays video"), 0.5);
        Assert.True(await visit.Page.Locator("li.plays video").EvaluateAsync<bool>("video => video.muted"));
        await visit.Page.Locator("#text").HoverAsync();
        await Expect(visit.Page.Locator("#results video")).ToHaveCountAsync(0);

        await card.Locator(".open").ClickAsync();
        await PlaysFromAsync(visit.Page.Locator("#player"), 0.5);
        await visit.KeepAsync("moment");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "More like this moment" }).ClickAsync();
        await Expect(visit.Page.Locator("#found")).ToHaveTextAsync($"Moments like {SmallIndex.First} at 0.5 s");
        await Expect(card).ToHaveCountAsync(0);
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Question_is_answered_with_the_frames_it_was_drawn_from()
    {
        await using Visit visit = await OpenAsync($"?open={SmallIndex.First}&second=0.5");
        await visit.Page.GetByLabel("Ask about it").FillAsync("what texture is the background");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Expect(visit.Page.Locator(".answers li")).ToHaveCountAsync(SearchLimits.UsualAnswers);
        await Expect(visit.Page.Locator(".answers li").First).ToContainTextAsync("%");
        await Expect(visit.Page.Locator("#said")).ToContainTextAsync("The model does not know “texture”");
        await Expect(visit.Page.Locator(".frames button")).ToHaveCountAsync(2);
        Assert.True(await visit.Page.Locator(".frames img").First
            .EvaluateAsync<bool>("image => image.decode().then(() => image.naturalWidth > 0)"));
        await visit.Page.GetByLabel("the whole video").CheckAsync();
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Ask", Exact = true }).ClickAsync();
        await Expect(visit.Page.Locator("#said")).ToContainTextAsync("of the video");
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("asked");
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Keyboard_alone_searches_moves_opens_and_comes_back()
    {
        await using Visit visit = await OpenAsync();
        await Expect(visit.Page.Locator("#results li")).ToHaveCountAsync(SmallIndex.Videos);
        IKeyboard keys = visit.Page.Keyboard;
        await visit.Page.EvaluateAsync("document.activeElement.blur()");
        await keys.PressAsync("/");
        await keys.TypeAsync("a red circle");
        await keys.PressAsync("Enter");
        await Expect(visit.Page.Locator("#found")).ToContainTextAsync("a red circle");
        await keys.PressAsync("ArrowDown");
        await keys.PressAsync("ArrowRight");
        await keys.PressAsync("ArrowRight");
        await keys.PressAsync("ArrowLeft");
        ILocator second = visit.Page.Locator("#results li").Nth(1).Locator(".open");
        await Expect(second).ToBeFocusedAsync();
        await keys.PressAsync("ArrowDown");
        Assert.True(await visit.Page.EvaluateAsync<bool>("[...document.querySelectorAll('.open')].indexOf(document.activeElement) > 2"));
        await keys.PressAsync("ArrowUp");
        await Expect(second).ToBeFocusedAsync();
        await keys.PressAsync("Enter");
        await Expect(visit.Page.Locator("#moment")).ToBeVisibleAsync();
        await keys.PressAsync("Escape");
        await Expect(visit.Page.Locator("#moment")).ToBeHiddenAsync();
        await Expect(second).ToBeFocusedAsync();
        await keys.PressAsync("m");
        await Expect(visit.Page.Locator("#found")).ToContainTextAsync("Moments like");
        visit.AssertQuiet();
    }

    [BrowserFact]
    public async Task Names_are_texts_and_what_cannot_be_played_is_said()
    {
        await using Visit visit = await OpenAsync("?text=<img src=x onerror=window.hacked=1>&folder=second");
        await visit.Page.EmulateMediaAsync(new() { ReducedMotion = ReducedMotion.NoPreference });
        ILocator hostile = visit.Page.Locator("#results li").Filter(new() { HasText = "<img" });
        await Expect(hostile).ToHaveCountAsync(SmallIndex.OfEach);
        await hostile.First.Locator(".open").ClickAsync();
        await Expect(visit.Page.Locator("#title")).ToHaveTextAsync(SmallIndex.Hostile["second/".Length..]);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "More like this video" }).ClickAsync();
        await Expect(visit.Page.Locator("#found")).ToContainTextAsync(SmallIndex.Hostile);
        Assert.False(await visit.Page.EvaluateAsync<bool>("'hacked' in window"));
        visit.AssertQuiet();

        ILocator gone = visit.Page.Locator("#results li").Filter(new() { HasText = "gone.mp4" }).First;
        await gone.HoverAsync();
        await Expect(gone).ToContainTextAsync("cannot be played in this browser");
        await gone.Locator(".open").ClickAsync();
        await Expect(visit.Page.Locator("#unplayed")).ToBeVisibleAsync();
        await Expect(visit.Page.Locator("#still")).ToBeVisibleAsync();
    }

    [BrowserFact]
    public async Task Page_is_accessible_by_day_and_by_night_and_fits_a_telephone()
    {
        foreach ((bool dark, int width) in new[] { (false, 1280), (true, 1280), (false, 390), (true, 390) })
        {
            await using Visit visit = await OpenAsync("?text=two+red+circles&rerank=1", dark, width);
            await Expect(visit.Page.Locator("#results li").First).ToContainTextAsync("match");
            await visit.Page.Locator("#about summary").ClickAsync();
            await visit.AssertAccessibleAsync();
            await visit.AssertFitsAsync();
            await visit.KeepAsync($"search-{(dark ? "dark" : "light")}-{width}");
            await visit.Page.Locator("#results .open").First.ClickAsync();
            await Expect(visit.Page.Locator("#moment")).ToBeVisibleAsync();
            await visit.AssertAccessibleAsync();
            await visit.AssertFitsAsync();
            visit.AssertQuiet();
        }
    }

    private async Task<Visit> OpenAsync(string query = "", bool dark = false, int width = 1280) =>
        await browser.OpenAsync(new Uri(index.Page.Address, query), dark, width);

    /// <summary>Waits until a video has come to a second.</summary>
    private static Task PlaysFromAsync(ILocator video, double second) => video.EvaluateAsync("""
        (video, second) => new Promise(done => {
          const look = () => video.currentTime >= second && done();
          for (const event of ["timeupdate", "seeked", "playing"]) video.addEventListener(event, look);
          look();
        })
        """, second);

    private static async Task SearchAsync(Visit visit, string text)
    {
        await visit.Page.GetByLabel("What to look for").FillAsync(text);
        await visit.Page.Keyboard.PressAsync("Enter");
    }
}
