using System.Text.Json;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Search;
using Alpro.Cli.Tests.Commands;
using Alpro.Data.Corpora;
using Alpro.Training.Search;

namespace Alpro.Cli.Tests.Search;

/// <summary>Search finds what evaluation finds, and answers as prediction does.</summary>
public sealed class SearcherTests(IndexedRuns runs) : IClassFixture<IndexedRuns>, IDisposable
{
    private static readonly WindowSettings _whole = new() { Seconds = null };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whole_windows_are_ranked_as_the_evaluation_ranks_them(bool tokens)
    {
        (CorpusConfig corpus, _) = runs.Retrieval.CorpusOf(test: true);
        EvaluationResult evaluated = await new EvaluationJob(runs.Retrieval, true, runs.Runs.Root, _folder.File("out"))
            .RunAsync(runs.Host, default);
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllBytes(Path.Combine(evaluated.Folder, "results.json"))).RootElement
            .EnumerateArray()];
        IndexReport report = await (runs.Job(_folder.File("index"), _whole, corpus: corpus) with { Tokens = tokens })
            .RunAsync(runs.Host, default);
        Assert.Equal((12, 12, 0), (report.Files, report.Windows, report.Unreadable.Count));

        using SearchIndex index = SearchIndex.Open(_folder.File("index"));
        await using Searcher searcher = await Searcher.OpenAsync(index);
        string[] captions = Captions(), owners = Owners();
        (int byFeature, int byMatch) = (0, 0);
        for (int text = 0; text < captions.Length; text++)
        {
            SearchResult found = await searcher.SearchAsync(new() { Text = captions[text], Top = 12 }),
                matched = await searcher.SearchAsync(new() { Text = captions[text], Top = 12, Rerank = 12 });
            Assert.Empty(matched.Problems);
            var scores = rows.Where(row => row.GetProperty("txt_id").GetInt32() == text).ToDictionary(row => row.GetProperty("vid_id")
                .GetString()!);
            Assert.All(found.Hits, hit => Assert.Equal(scores[hit.File.Name].GetProperty("vtc_score").GetDouble(), hit.Contrastive, 2e-2));
            Assert.All(matched.Hits, hit =>
                Assert.Equal(scores[hit.File.Name].GetProperty("score").GetDouble(), hit.Match!.Value, tokens ? 2e-3 : 2e-5));
            byFeature += found.Hits[0].File.Name == owners[text] ? 1 : 0;
            byMatch += matched.Hits[0].File.Name == owners[text] ? 1 : 0;
        }
        Assert.Equal(First(rows, "vtc_score", owners), byFeature);
        Assert.Equal(First(rows, "score", owners), byMatch);
        Assert.Equal(evaluated.Receipt.Figures["text2video"]!["r1"]!.GetValue<double>(), 100.0 * byMatch / captions.Length, 1e-9);
    }

    [Fact]
    public async Task Answers_are_those_of_prediction_and_show_their_frames()
    {
        await runs.Job(_folder.File("index"), new() { Seconds = 0.5, Stride = 0.5 }).RunAsync(runs.Host, default);
        using SearchIndex index = SearchIndex.Open(_folder.File("index"));
        EvaluationTarget answers = IndexedRuns.Open(runs.Runs.QuestionAnswering);
        await using Searcher searcher = await Searcher.OpenAsync(index,
            answers: (answers.For(null, runs.Runs.Root), answers.Weights));
        IndexedFile file = index.File(3);
        const string question = "what colour is the background";
        AskedAnswers given = await searcher.AskFileAsync(3, question, top: 4);
        (int code, string output, string errors) = AlproProgram.RunAlone("predict", "--run", runs.Runs.QuestionAnswering, "--data",
            runs.Runs.Root, "--video", file.Media.Path, "--question", question, "--top", "4", "--json");
        Assert.True(code == 0, errors);
        JsonElement[] told = [.. JsonDocument.Parse(output).RootElement.GetProperty("questions")[0].GetProperty("answers")
            .EnumerateArray()];
        Assert.Equal(told.Select(answer => answer.GetProperty("answer").GetString()), given.Answers.Select(answer => answer.Answer));
        Assert.All(told.Zip(given.Answers), pair =>
            Assert.Equal(pair.First.GetProperty("probability").GetDouble(), pair.Second.Probability, 1e-6));
        Assert.Equal(4, given.Frames.Count);
        Assert.All(given.Frames, frame => Assert.InRange(frame.Seconds, 0, file.Seconds));

        // Of a moment, the frames are the moment's.
        Window moment = index[file.FirstWindow + 1];
        given = await searcher.AskAsync(moment.Number, question);
        Assert.All(given.Frames, frame => Assert.InRange(frame.Seconds, moment.Start, moment.End));
    }

    [Fact]
    public async Task Filters_and_moments_choose_among_windows()
    {
        string videos = _folder.File("videos");
        foreach (string name in new[] { "a", "b", "bb" })
        {
            Directory.CreateDirectory(Path.Combine(videos, name));
            foreach (string video in Directory.EnumerateFiles(runs.Videos).Order(StringComparer.Ordinal).Take(2))
                File.Copy(video, Path.Combine(videos, name, Path.GetFileName(video)));
        }
        await runs.Job(_folder.File("index"), new() { Seconds = 1, Stride = 0.5 }, videos).RunAsync(runs.Host, default);
        using SearchIndex index = SearchIndex.Open(_folder.File("index"));
        await using Searcher searcher = await Searcher.OpenAsync(index);
        SearchResult below = await searcher.SearchAsync(new() { Text = "a red circle", Top = 100, Folder = "b/" });
        Assert.Equal(["b"], below.Hits.Select(hit => hit.File.Name.Split('/')[0]).Distinct());
        double length = index.File(0).Seconds;
        Assert.Empty((await searcher.SearchAsync(new() { Text = "a red circle", MinSeconds = length + 1 })).Hits);
        Assert.Equal(index.Count, (await searcher.SearchAsync(new()
        {
            Text = "a red circle",
            Top = 1000,
            MaxSeconds = length,
            Overlapping = true,
        })).Hits.Count);
        SearchResult moments = await searcher.SearchAsync(new() { Text = "a red circle", Top = 1000 });
        Assert.DoesNotContain(moments.Hits, hit => moments.Hits.Any(other => other.Window.Number != hit.Window.Number
            && other.Window.File == hit.Window.File && other.Window.Start < hit.Window.End && other.Window.End > hit.Window.Start));

        // The copies of a moment are what is most like it; what overlaps it is left out.
        Window moment = index[1];
        SearchResult like = await searcher.SearchAsync(new() { Window = 1, Top = 1000 });
        Assert.DoesNotContain(like.Hits, hit => hit.Window.File == moment.File && hit.Window.Start < moment.End
            && hit.Window.End > moment.Start);
        Assert.Equal([moment.Start, moment.Start], like.Hits.Take(2).Select(hit => hit.Window.Start));
        Assert.All(like.Hits.Take(2), hit => Assert.Equal(1, hit.Similarity, 2e-3));
        SearchResult whole = await searcher.SearchAsync(new() { File = 0, Top = 1000 });
        Assert.DoesNotContain(whole.Hits, hit => hit.File.Number == 0);
        await Assert.ThrowsAsync<ArgumentException>(() => searcher.SearchAsync(new()));
    }

    [Fact]
    public async Task The_sample_of_the_page_runs_and_is_shown_as_it_is()
    {
        await runs.Job(_folder.File("index"), _whole).RunAsync(runs.Host, default);
        Assert.Equal(3, (await SearchSample.RunAsync(_folder.File("index"), Captions()[0])).Count);
        string source = File.ReadAllText(Path.Combine(Locations.Root, "tests/Alpro.Cli.Tests/Search/SearchSample.cs"));
        string[] lines = [.. source.Split("// sample")[1].Split("// end of sample")[0].Trim('\n').Split('\n')
            .Select(line => line.Length > 8 ? line[8..].TrimEnd() : "")];
        string shown = string.Join('\n', lines).Trim();
        Assert.Contains(shown, File.ReadAllText(Path.Combine(Locations.Root, "docs/search.md")), StringComparison.Ordinal);
        Assert.True(shown.Split('\n').Length <= 15);
    }

    private string[] Captions() => [.. Lines().Select(line => line.GetProperty("caption").GetString()!)];

    private string[] Owners() => [.. Lines().Select(line => line.GetProperty("clip_name").GetString()!)];

    private JsonElement[] Lines() => [.. File.ReadLines(runs.Runs.File("data/msrvtt_ret/txt/test.jsonl"))
        .Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Texts whose own video has the highest of some scores of an evaluation.</summary>
    private static int First(JsonElement[] rows, string score, string[] owners) => rows.GroupBy(row => row.GetProperty("txt_id").GetInt32())
        .Count(text => text.MaxBy(row => row.GetProperty(score).GetDouble()).GetProperty("vid_id").GetString() == owners[text.Key]);
}
