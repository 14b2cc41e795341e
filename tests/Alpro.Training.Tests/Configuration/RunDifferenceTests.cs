using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training.Configuration;

namespace Alpro.Training.Tests.Configuration;

public sealed partial class RunDifferenceTests
{
    /// <summary>What may change where a run goes on, written out; the marks on the settings must say the same.</summary>
    [GeneratedRegex("""
        ^(training\.(checkpointEvery|exportEvery|keep|validateEvery|onNonFinite|maxSkipped)|model\.vision\.activationCheckpointing|initialize\b.*
        |evaluation\b.*|data\.(validation|test|evaluationClip|maxRejectedFraction)\b.*|data\.corpora\[\d+\]\.(name|media))$
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex MayChange();

    [GeneratedRegex(@"^data\.(vocabulary|entities|answers|corpora\[\d+\]\.annotations)$")]
    private static partial Regex MayMove();

    [Fact]
    public void Marks_say_of_each_setting_whether_it_may_change_on_resume()
    {
        string[] settings = [.. Settings(ConfigLoader.Json.GetTypeInfo(typeof(RunConfig)), "")];
        Assert.Contains("data.corpora[0].maxCaptionWords", settings);
        Assert.Contains("data.evaluationClip.frames", settings);
        Assert.Equal(settings.Where(setting => MayChange().IsMatch(setting)), settings.Where(RunDifference.MayChange));
        Assert.Equal(settings.Where(setting => MayMove().IsMatch(setting)), settings.Where(RunDifference.MayMove));
    }

    [Theory]
    [InlineData("/a/vocab.txt", "/b/vocab.txt", false)]
    [InlineData("/a/vocab.txt", "/a/words.txt", true)]
    public void A_file_may_move_and_keep_its_name(string before, string now, bool changes)
    {
        RunConfig run = TinyRun.Config();
        RunDifference difference = Assert.Single(RunDifference.Between(With(before), With(now)));
        Assert.Equal(("data.vocabulary", changes), (difference.Path, difference.ChangesMeaning));

        RunConfig With(string vocabulary) => run with { Data = run.Data with { Vocabulary = vocabulary } };
    }

    [Fact]
    public void What_a_loss_counts_changes_the_meaning_of_a_run()
    {
        RunConfig run = TinyRun.Config(LearningTask.Pretrain);
        RunDifference difference = Assert.Single(RunDifference.Between(run, run with { Losses = run.Losses with { Mlm = 0.5 } }));
        Assert.Equal(new RunDifference("losses.mlm", "1", "0.5", ChangesMeaning: true), difference);
    }

    private static IEnumerable<string> Settings(JsonTypeInfo type, string path) => type.Kind switch
    {
        JsonTypeInfoKind.Object => type.Properties.SelectMany(property =>
            Settings(ConfigLoader.Json.GetTypeInfo(property.PropertyType), path.Length == 0 ? property.Name : $"{path}.{property.Name}")),
        JsonTypeInfoKind.Enumerable => Settings(ConfigLoader.Json.GetTypeInfo(type.ElementType!), $"{path}[0]"),
        _ => [path],
    };
}
