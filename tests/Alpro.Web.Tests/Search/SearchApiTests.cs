using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Alpro.Web.Search;

namespace Alpro.Web.Tests.Search;

/// <summary>The API of an index.</summary>
[Collection(SmallIndex.Name)]
public sealed class SearchApiTests(SmallIndex index) : IDisposable
{
    private readonly HttpClient _client = new() { BaseAddress = index.Page.Address };

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task About_says_what_there_is_what_scores_mean_and_what_may_be_asked()
    {
        AboutMessage about = (await _client.GetFromJsonAsync<AboutMessage>("api/about"))!;
        Assert.Equal((SmallIndex.Videos, SmallIndex.Moments), (about.Videos, about.Moments));
        Assert.Equal(["first", "first/below", "second"], about.Folders);
        Assert.Null(about.CannotAsk);
        Assert.Equal(["Model", "Moments", "Similarity", "Match", "Answers"], about.Meanings.Keys);
        Assert.Contains("trained for retrieval on world", about.Meanings["Model"], StringComparison.Ordinal);
        Assert.Contains("28 answers", about.Meanings["Answers"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_finds_moments_best_first_and_names_unknown_words()
    {
        SearchAnswer found = await SearchAsync(new { text = "a zyzzyva and rings move", top = 5 });
        Assert.Equal((5, SmallIndex.Moments, 0), (found.Moments.Count, found.Among, found.Matched));
        Assert.Equal(["zyzzyva", "and", "rings"], found.UnknownWords);
        Assert.Equal(found.Moments.OrderByDescending(moment => moment.Similarity), found.Moments);
        Assert.All(found.Moments, moment => Assert.Null(moment.Match));
    }

    [Fact]
    public async Task Matched_moments_have_a_probability_and_come_by_it()
    {
        SearchAnswer found = await SearchAsync(new { text = "a red circle", top = 6, rerank = 4 });
        Assert.Equal((6, 4), (found.Moments.Count, found.Matched));
        double[] matches = [.. found.Moments.Take(4).Select(moment => moment.Match!.Value)];
        Assert.Equal(matches.OrderDescending(), matches);
        Assert.All(matches, match => Assert.InRange(match, 0, 1));
        Assert.All(found.Moments.Skip(4), moment => Assert.Null(moment.Match));
    }

    [Fact]
    public async Task More_like_a_moment_leaves_it_out_and_more_like_a_video_the_video()
    {
        SearchAnswer likeMoment = await SearchAsync(new { video = SmallIndex.First, start = 0.5, top = 96 });
        Assert.Equal(SmallIndex.Moments - 1, likeMoment.Moments.Count);
        Assert.DoesNotContain(likeMoment.Moments, moment => (moment.Video, moment.Start) == (SmallIndex.First, 0.5));
        SearchAnswer likeVideo = await SearchAsync(new { video = SmallIndex.First, top = 96 });
        Assert.Equal(SmallIndex.Moments - SmallIndex.OfEach, likeVideo.Moments.Count);
        Assert.DoesNotContain(likeVideo.Moments, moment => moment.Video == SmallIndex.First);
    }

    [Theory]
    [InlineData("first", 3)]
    [InlineData("first/below", 1)]
    [InlineData("fir", 0)]
    [InlineData("..", 0)]
    [InlineData("", SmallIndex.Videos)]
    public async Task Folder_leaves_what_lies_below_it(string folder, int videos)
    {
        SearchAnswer found = await SearchAsync(new { text = "red", folder, top = 96 });
        Assert.Equal((videos * SmallIndex.OfEach, videos * SmallIndex.OfEach), (found.Among, found.Moments.Count));
        Assert.Equal(videos, (await SearchAsync(new { folder, top = 96 })).Moments.Count);
    }

    [Fact]
    public async Task Length_is_that_of_the_video()
    {
        Assert.Equal(SmallIndex.Moments, (await SearchAsync(new { text = "red", atLeast = 1.9, atMost = 2.1 })).Among);
        Assert.Empty((await SearchAsync(new { text = "red", atLeast = 2.1 })).Moments);
        Assert.Empty((await SearchAsync(new { text = "red", atMost = 1.9 })).Moments);
    }

    [Fact]
    public async Task Question_is_answered_with_probabilities_and_the_frames_that_were_seen()
    {
        foreach (double? start in new double?[] { 1, null })
        {
            AskAnswer said = await PostAsync<AskAnswer>("api/ask",
                new { question = "what texture is it", video = SmallIndex.First, start, top = 3 });
            Assert.Equal(3, said.Answers.Count);
            Assert.Equal(said.Answers.OrderByDescending(answer => answer.Probability), said.Answers);
            Assert.Equal(["texture"], said.UnknownWords);
            Assert.Equal(2, said.Frames.Count);
            Assert.All(said.Frames, frame => Assert.Equal([0xFF, 0xD8], frame.Picture[..2]));
            Assert.All(said.Frames, frame => Assert.InRange(frame.Second, start ?? 0, 2));
        }
    }

    [Fact]
    public async Task Moment_is_the_last_that_has_begun()
    {
        MomentMessage moment = (await _client.GetFromJsonAsync<MomentMessage>($"api/moment?video={SmallIndex.First}&start=0.7"))!;
        Assert.Equal((SmallIndex.First, "0.mp4", 0.5, 1.0, 2.0), (moment.Video, moment.Name, moment.Start, moment.End, moment.Length));
        byte[] picture = await _client.GetByteArrayAsync($"api/thumbnail?video={SmallIndex.First}&start=0.7");
        Assert.Equal([0xFF, 0xD8], picture[..2]);
    }

    [Theory]
    [InlineData(null, HttpStatusCode.OK, 0, null)]
    [InlineData("bytes=0-0", HttpStatusCode.PartialContent, 0, 1)]
    [InlineData("bytes=10-19", HttpStatusCode.PartialContent, 10, 10)]
    [InlineData("bytes=100-", HttpStatusCode.PartialContent, 100, null)]
    [InlineData("bytes=-7", HttpStatusCode.PartialContent, -7, 7)]
    [InlineData("bytes=999999999-", HttpStatusCode.RequestedRangeNotSatisfiable, 0, null)]
    public async Task File_is_sent_whole_or_the_range_that_is_asked_for(string? range, HttpStatusCode code, int first, int? count)
    {
        byte[] file = await File.ReadAllBytesAsync(index.File(SmallIndex.First));
        using var asked = new HttpRequestMessage(HttpMethod.Get, $"api/media?video={SmallIndex.First}");
        if (range is not null) asked.Headers.Range = RangeHeaderValue.Parse(range);
        using HttpResponseMessage answer = await _client.SendAsync(asked);
        Assert.Equal(code, answer.StatusCode);
        if (!answer.IsSuccessStatusCode) return;
        Assert.Equal("video/mp4", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        int from = first < 0 ? file.Length + first : first;
        Assert.Equal(file[from..(from + (count ?? file.Length - from))], await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData(SmallIndex.Changed, "has changed since it was indexed")]
    [InlineData(SmallIndex.Gone, "cannot be read any more")]
    [InlineData("first/notes.txt", "has no such video")]
    [InlineData("../secret.mp4", "has no such video")]
    public async Task File_that_is_not_the_indexed_one_is_not_sent(string video, string why)
    {
        using HttpResponseMessage answer = await _client.GetAsync($"api/media?video={Uri.EscapeDataString(video)}");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains(why, (await answer.Content.ReadFromJsonAsync<ErrorMessage>())!.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("search", """{ "text": "red", "video": "first/0.mp4" }""", "a text or a video")]
    [InlineData("search", """{ "text": "red", "top": 0 }""", "top is 0; expected 1 to 96")]
    [InlineData("search", """{ "text": "red", "rerank": 33 }""", "rerank is 33; expected 0 to 32")]
    [InlineData("search", """{ "txt": "red" }""", "$.txt")]
    [InlineData("search", """{ "top": "many" }""", "$.top")]
    [InlineData("search", "", "A parameter is lacking")]
    [InlineData("ask", """{ "question": " ", "video": "first/0.mp4" }""", "The question is empty")]
    [InlineData("ask", """{ "video": "first/0.mp4" }""", "not what is expected")]
    public async Task What_makes_no_sense_is_refused_with_a_sentence(string path, string body, string why)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await _client.PostAsync($"api/{path}", content);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(why, (await answer.Content.ReadFromJsonAsync<ErrorMessage>())!.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1_001, HttpStatusCode.BadRequest, "The text has 1001 letters; expected 1000 at most.")]
    [InlineData(10 << 20, HttpStatusCode.RequestEntityTooLarge, "The request is too large; expected 64 KB at most.")]
    public async Task Long_text_is_refused(int letters, HttpStatusCode code, string why)
    {
        using HttpResponseMessage answer = await _client.PostAsJsonAsync("api/search", new { text = new string('a', letters) });
        Assert.Equal((code, why), (answer.StatusCode, (await answer.Content.ReadFromJsonAsync<ErrorMessage>())!.Error));
    }

    [Fact]
    public async Task Api_is_described()
    {
        using JsonDocument described = JsonDocument.Parse(await _client.GetStringAsync("openapi/v1.json"));
        Assert.Equal(["/api/about", "/api/ask", "/api/media", "/api/moment", "/api/search", "/api/thumbnail"],
            described.RootElement.GetProperty("paths").EnumerateObject().Select(path => path.Name).Where(path => path.StartsWith("/api",
                StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.True(described.RootElement.GetProperty("components").GetProperty("schemas").GetProperty(nameof(SearchRequest))
            .GetProperty("properties").TryGetProperty("rerank", out _));
    }

    [Fact]
    public async Task Full_queue_is_said_with_when_to_try_again()
    {
        var question = new { question = "what color is it", video = SmallIndex.First };
        HttpResponseMessage[] answers = await Task.WhenAll(
            Enumerable.Range(0, 100).Select(_ => _client.PostAsJsonAsync("api/ask", question)));
        Assert.All(answers, answer => Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable));
        Assert.Contains(answers, answer => answer.StatusCode == HttpStatusCode.OK);
        HttpResponseMessage refused = answers.First(answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable);
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter!.Delta);
        Assert.Contains("others wait", (await refused.Content.ReadFromJsonAsync<ErrorMessage>())!.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_model_for_them_questions_are_refused()
    {
        await using SearchPage page = await index.OpenAsync(answers: false);
        using var client = new HttpClient { BaseAddress = page.Address };
        AboutMessage about = (await client.GetFromJsonAsync<AboutMessage>("api/about"))!;
        Assert.Contains("without --answers RUN", about.CannotAsk, StringComparison.Ordinal);
        using HttpResponseMessage answer = await client.PostAsJsonAsync("api/ask", new { question = "what", video = SmallIndex.First });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Token_is_asked_for_everywhere()
    {
        await using SearchPage page = await index.OpenAsync(token: "secret");
        using var forgetful = new HttpClientHandler { UseCookies = false };
        using var client = new HttpClient(forgetful) { BaseAddress = page.Address };
        foreach (string path in new[] { "", "search/search.js", "api/about", "openapi/v1.json", $"api/media?video={SmallIndex.First}" })
        {
            string asked = $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}token=";
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(path));
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync($"{asked}wrong"));
            Assert.Equal(HttpStatusCode.OK, await CodeAsync($"{asked}secret"));
        }

        async Task<HttpStatusCode> CodeAsync(string path)
        {
            using HttpResponseMessage answer = await client.GetAsync(path);
            return answer.StatusCode;
        }
    }

    private Task<SearchAnswer> SearchAsync(object request) => PostAsync<SearchAnswer>("api/search", request);

    private async Task<T> PostAsync<T>(string path, object request)
    {
        using HttpResponseMessage answer = await _client.PostAsJsonAsync(path, request);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<T>())!;
    }
}
