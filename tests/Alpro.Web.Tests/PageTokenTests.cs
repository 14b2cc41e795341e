using Alpro.Tests.Support.Browser;
using Alpro.Tests.Support.Events;
using Microsoft.Playwright;

namespace Alpro.Web.Tests;

public sealed class PageTokenTests(BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    [BrowserFact]
    public async Task Visitor_without_the_token_is_told_what_to_do_and_the_browser_remembers_it()
    {
        PageAddress.TryParse("127.0.0.1:0", out PageAddress? free);
        await using RunPage page = await RunPage.OpenAsync(new(free, "secret", null), new(trains: true, TimeProvider.System),
            new EventCollector());
        using var folder = new TemporaryFolder();
        page.Status.Watch(new(null!, new(folder.Path), Resume: false));
        await using Visit visit = await browser.OpenAsync(new Uri(page.Address!, "?token=wrong"));
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("This page asks for its token");
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("token");
        await visit.Page.GetByLabel("Token").FillAsync("secret");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(visit.Page.Locator("#verdict")).ToContainTextAsync("The run has not begun");
        await visit.Page.GotoAsync(page.Address!.AbsoluteUri);
        await Assertions.Expect(visit.Page.Locator("#verdict")).ToContainTextAsync("The run has not begun");
    }
}
