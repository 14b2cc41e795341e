using System.Diagnostics;

namespace Alpro.Cli.Tests.Documents;

/// <summary>Blocks that a page marks as <c>sh runnable</c> do what the page says, pasted one after another into a shell.</summary>
public sealed class RunnableBlocksTests
{
    private static readonly TimeSpan _bound = TimeSpan.FromMinutes(3);

    public static TheoryData<string> Pages => [.. Document.All.Where(page => Runnable(page).Any()).Select(page => page.Name)];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Blocks_of_a_page_run_one_after_another(string name)
    {
        using var checkout = new TemporaryFolder();                  // what they write goes here, and not into the checkout
        foreach (string folder in new[] { "config", "docs", "hocon", "scripts", "src", "tests" })
            Directory.CreateSymbolicLink(checkout.File(folder), Path.Combine(Locations.Root, folder));
        foreach (CodeBlock block in Runnable(Document.All.Single(page => page.Name == name)))
        {
            var start = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c", block.Text])
            {
                WorkingDirectory = checkout.Path,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using Process shell = Process.Start(start)!;
            Task<string> output = shell.StandardOutput.ReadToEndAsync(), errors = shell.StandardError.ReadToEndAsync();
            using var bound = new CancellationTokenSource(_bound);
            try
            {
                await shell.WaitForExitAsync(bound.Token);
            }
            catch (OperationCanceledException)
            {
                shell.Kill(entireProcessTree: true);
                Assert.Fail($"{name}, line {block.Line}: not done within {_bound.TotalSeconds} s");
            }
            Assert.True(shell.ExitCode == 0, $"{name}, line {block.Line}: exit code {shell.ExitCode}\n{await output}{await errors}");
        }
    }

    private static IEnumerable<CodeBlock> Runnable(Document page) => page.Blocks.Where(block => block.Info == "sh runnable");
}
