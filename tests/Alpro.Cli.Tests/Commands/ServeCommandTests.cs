using Alpro.Actors;
using Alpro.Cli.Tests.Evaluation;

namespace Alpro.Cli.Tests.Commands;

/// <summary><c>alpro serve</c>, as far as it says no; the page itself is tested with <c>Alpro.Web</c>.</summary>
public sealed class ServeCommandTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>
{
    [Fact]
    public void Folder_that_is_no_index_is_refused()
    {
        (int code, _, string errors) = AlproProgram.Run("serve", runs.Root);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains($"{runs.Root}: there is no index", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_that_answers_no_questions_is_refused()
    {
        (int code, _, string errors) = AlproProgram.Run("serve", runs.Root, "--answers", runs.Retrieval);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("is a run of retrieval; expected one of question answering", errors, StringComparison.Ordinal);
    }
}
