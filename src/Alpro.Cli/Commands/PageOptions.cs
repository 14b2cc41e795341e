using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Web;

namespace Alpro.Cli.Commands;

/// <summary>The options of the page of a process.</summary>
internal sealed class PageOptions
{
    private const string TokenVariable = "ALPRO_PAGE_TOKEN";

    private readonly Option<string?> _page = new("--page")
    {
        Description = "Where the page of this process listens: off, or ADDRESS:PORT. Without: a free port of 127.0.0.1, which is printed.",
        HelpName = "off|ADDRESS:PORT",
    };

    private readonly Option<string?> _token = new("--page-token")
    {
        Description = $"What a visitor of the page has to show, as a bearer token or ?token=; or as {TokenVariable} says.",
    };

    /// <summary>The options of a command.</summary>
    public PageOptions() => _page.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }] && !PageAddress.TryParse(text, out _))
            result.AddError($"--page {text}: expected {PageAddress.Expected}.");
    });

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_page);
        command.Options.Add(_token);
    }

    /// <summary>What a command line says of the page.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="byDefault">Whether there is a page if the command line does not ask for one.</param>
    /// <param name="certificates">The cluster's certificates, if it has any; asked for a page that others reach.</param>
    public PageSettings Settings(ParseResult arguments, bool byDefault = true, Func<NodeCertificates?>? certificates = null)
    {
        PageAddress? address = byDefault ? null : PageAddress.Off;
        if (arguments.GetValue(_page) is { } text && PageAddress.TryParse(text, out PageAddress? chosen)) address = chosen;
        string? token = arguments.GetValue(_token) ?? Environment.GetEnvironmentVariable(TokenVariable);
        return new(address, string.IsNullOrEmpty(token) ? null : token, address is { IsLocal: false } ? certificates?.Invoke() : null);
    }

    /// <summary>Opens the page of a run that a command line asks for.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="trains">Whether the process is to train.</param>
    /// <param name="byDefault">Whether there is a page if the command line does not ask for one.</param>
    /// <param name="certificates">The cluster's certificates, if it has any; asked for a page that others reach.</param>
    /// <exception cref="UsageException">The address cannot be had, or may not be used.</exception>
    public Task<RunPage> OpenAsync(ParseResult arguments, bool trains, bool byDefault = true,
        Func<NodeCertificates?>? certificates = null) =>
        RunPage.OpenAsync(Settings(arguments, byDefault, certificates), new(trains, TimeProvider.System), CommandLine.Log);
}
