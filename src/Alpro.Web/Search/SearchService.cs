using Alpro.Data.Media;
using Alpro.Training.Configuration;
using Alpro.Training.Search;
using Alpro.Training.Tasks;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Alpro.Web.Search;

/// <summary>Answers what visitors of an index ask.</summary>
internal sealed class SearchService
{
    private const int MostWaiting = 16, MostText = 1000, MostTop = 96, MostRerank = 32;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private readonly Searcher _searcher;
    private readonly IndexedVideos _videos;
    private readonly ModelQueue _queue;

    /// <summary>Answers from an index.</summary>
    /// <param name="searcher">The index and its models; it is the caller's to dispose.</param>
    /// <param name="answers">The model that answers questions; null where there is none.</param>
    /// <param name="time">The clock.</param>
    public SearchService(Searcher searcher, AnsweringModel? answers, TimeProvider time)
    {
        (_searcher, _videos) = (searcher, new(searcher.Index));
        _queue = new(MostWaiting, _patience, time);
        About = Describe(answers);
    }

    /// <summary>The index, its model, what scores mean, how much may be asked for.</summary>
    public AboutMessage About { get; }

    /// <summary>The moment of a video at a second.</summary>
    public MomentMessage Moment(string video, double start) => _videos.Tell(_videos.Moment(video, start));

    /// <summary>The picture of a moment.</summary>
    public FileContentHttpResult Thumbnail(string video, double start) => _videos.Picture(video, start);

    /// <summary>The original file of a video.</summary>
    public FileStreamHttpResult Media(string video) => _videos.Play(video);

    /// <summary>Searches.</summary>
    /// <exception cref="Refusal">The request makes no sense, or the model is busy.</exception>
    public async Task<SearchAnswer> SearchAsync(SearchRequest request, CancellationToken gone)
    {
        string? text = Limited(request.Text);
        if (text is not null && request.Video is not null)
            throw Refusal.Bad("Expected a text or a video to search by, and there are both.");
        if (request.Top is < 1 or > MostTop) throw Refusal.Bad($"top is {request.Top}; expected 1 to {MostTop}.");
        if (request.Rerank < 0 || request.Rerank > About.Limits.Rerank)
            throw Refusal.Bad($"rerank is {request.Rerank}; expected 0 to {About.Limits.Rerank}.");
        int[] files = _videos.Filter(request);
        if (text is null && request.Video is null)
            return new([.. files.Take(request.Top).Select(_videos.First)], files.Length, 0, [], [], 0);
        var query = new SearchQuery
        {
            Text = text,
            Window = request is { Video: { } at, Start: { } start } ? _videos.Moment(at, start).Number : null,
            File = request is { Video: { } all, Start: null } ? _videos.Video(all).Number : null,
            Top = request.Top,
            Rerank = request.Rerank,
            Folder = request.Folder,
            MinSeconds = request.AtLeast,
            MaxSeconds = request.AtMost,
        };
        SearchResult found = await _queue.AskAsync(stop => _searcher.SearchAsync(query, stop), gone);
        return new([.. found.Hits.Select(hit => _videos.Tell(hit.Window, hit.Similarity, hit.Match))], files.Sum(_videos.MomentsOf),
            found.Hits.Count(hit => hit.Match is not null), found.UnknownWords, found.Problems,
            found.SearchMilliseconds + found.MatchMilliseconds);
    }

    /// <summary>Answers a question.</summary>
    /// <exception cref="Refusal">The request makes no sense, there is no model for it, or it is busy.</exception>
    public async Task<AskAnswer> AskAsync(AskRequest request, CancellationToken gone)
    {
        string question = Limited(request.Question) ?? throw Refusal.Bad("The question is empty; expected some words.");
        if (request.Top is < 1 or > SearchLimits.MostAnswers)
            throw Refusal.Bad($"top is {request.Top}; expected 1 to {SearchLimits.MostAnswers}.");
        if (About.CannotAsk is { } why) throw Refusal.Bad(why);
        IndexedFile video = _videos.Video(request.Video);
        Window? moment = request.Start is { } start ? _videos.Moment(request.Video, start) : null;
        try
        {
            AskedAnswers said = await _queue.AskAsync(stop => moment is null
                ? _searcher.AskFileAsync(video.Number, question, request.Top, stop)
                : _searcher.AskAsync(moment.Number, question, request.Top, stop), gone);
            return new([.. said.Answers.Select(answer => new AnswerMessage(answer.Answer, answer.Probability))],
                [.. said.Frames.Select(frame => new FrameMessage(Math.Round(frame.Seconds, 3), frame.Jpeg))], said.UnknownWords);
        }
        catch (UnreadableClipException problem)
        {
            throw Refusal.Missing($"{video.Name} cannot be read any more: {problem.Finding}.");
        }
    }

    /// <summary>A text that is not too long; null for none, or one of nothing but white space.</summary>
    private static string? Limited(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Length <= MostText ? text
        : throw Refusal.Bad($"The text has {text.Length} letters; expected {MostText} at most.");

    private AboutMessage Describe(AnsweringModel? answers)
    {
        SearchManifest manifest = _searcher.Index.Manifest;
        IndexedModel model = manifest.Model;
        var meanings = new OrderedDictionary<string, string>
        {
            ["Model"] = $"{model.Name}, trained for {Title(model.Task)}{On(model.Corpora)}. It knows what it saw there: about other "
                + "videos its scores say less.",
            ["Moments"] = manifest.Windows.Seconds is { } seconds
                ? $"{seconds:0.##} seconds each, one every {manifest.Windows.Stride:0.##}. The model sees frames of each, and no sound."
                : "Each is a whole video. The model sees frames of it, and no sound.",
            ["Similarity"] = "The cosine between the features of what is sought and those of the moment, -1 to 1. It orders moments and is "
                + "no probability. Some moment is always the best, whether any fits or none.",
        };
        if (_searcher.CanMatch)
            meanings["Match"] = "The probability, by the model, that text and moment belong together. The model compares them word by "
                + $"word, which takes longer: so only the {MostRerank} most similar moments are matched.";
        if (answers is not null)
            meanings["Answers"] = $"{answers.Name}, trained for {Title(answers.Config.Task)}. It chooses among the "
                + $"{answers.Config.Model.Answers} answers that it knows. Their probabilities sum to one: some answer is always the best.";
        return new($"{_videos.Count} videos, {Time(_videos.Seconds)}, as {_searcher.Index.Count} moments", _videos.Count,
            _searcher.Index.Count, _videos.Folders,
            answers is null ? "No model answers questions here: 'alpro serve' was started without --answers RUN." : null,
            new(MostText, MostTop, _searcher.CanMatch ? MostRerank : 0), meanings);
    }

    private static string Title(LearningTask task) => DownstreamTask.Find(task)?.Title ?? "pretraining";

    private static string On(IReadOnlyList<string> corpora) => corpora.Count == 0 ? "" : $" on {string.Join(", ", corpora)}";

    private static string Time(double seconds) => seconds switch
    {
        < 120 => $"{seconds:0} s",
        < 7200 => $"{seconds / 60:0} min",
        _ => $"{seconds / 3600:0} h",
    };
}
