using System.Globalization;
using System.Text.Json;
using Alpro.Data.Corpora.Annotations;

namespace Alpro.Data.Preparation.Official;

/// <summary>
/// MSR-VTT: captions for retrieval, or MSRVTT-QA's questions. With <c>MSRVTT_JSFUSION_test.csv</c>, retrieval is tested on its 1,000 pairs
/// (the 1k-A split), and trained on the 7,010 videos of train and validation (<c>7k</c>, the paper's) or on all 9,000 others (<c>9k</c>).
/// Without it, the split is the owners' own (<c>full</c>).
/// </summary>
internal sealed class MsrvttAnnotations : OfficialAnnotations
{
    private const int ValidationVideos = 1000, FirstValidation = 6513, FirstTest = 7010;
    private const string Train = "train", Validate = "validate", Test = "test", Pairs = "MSRVTT_JSFUSION_test.csv";

    private static readonly QuestionAnnotations _questions = new("video", answers: 1500, (158_581, 12_278, 72_821));

    public override string Files => $"train_val_videodatainfo.json, test_videodatainfo.json, {Pairs}; or {_questions.Files}";

    internal override AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices)
    {
        var captions = new Captions();
        List<string> questions = [];
        OfficialTable? pairs = null;
        foreach (string file in files)
        {
            if (captions.TryRead(file)) continue;
            OfficialTable table = OfficialTable.Open(file);
            if (QuestionAnnotations.Asks(table)) questions.Add(file);
            else if (table.Has("video_id", "sentence") && pairs is null) pairs = table;
            else throw Unknown(table);
        }
        if (questions.Count == 0) return Retrieval(captions, pairs, folder, choices.Split);
        return questions.Count == files.Count ? _questions.Write(questions, folder, choices)
            : throw new DataException($"{questions[0]}: has questions, and other files captions; prepare each into a folder of its own");
    }

    private static AnnotationReport Retrieval(Captions captions, OfficialTable? pairs, PreparedFolder folder, string? split)
    {
        split ??= pairs is null ? "full" : "7k";
        if (split != "full" && pairs is null)
            throw new DataException($"the split {split} is tested on the pairs of {Pairs}: give that file too");
        (string Video, string Caption)[]? tested = pairs is null || split == "full" ? null
            : [.. pairs.Rows("video_id", "sentence").Select(row => (row.Fields["video_id"][0].Trim(), row.Fields["sentence"][0].Trim()))];
        HashSet<string> held = [.. (tested ?? []).Select(pair => pair.Video)];
        List<PreparedPart> parts = [];
        List<string> notes = [pairs is null ? $"the split is the owners' own; give {Pairs} for the paper's" : $"the split is {split}"];
        Add("train", captions.Of(video => (split switch { "full" => video.Split == Train, "7k" => video.Split != Test, _ => true })
            && !held.Contains(video.Name)), split switch { "full" => (130_260, 6_513), "7k" => (140_200, 7_010), _ => (180_000, 9_000) });
        if (split == "full") Add("val", captions.Of(video => video.Split == Validate), (9_940, 497));
        else if (split == "7k")
            Add("val", captions.FirstOf(video => video.Split == Test && !held.Contains(video.Name), ValidationVideos), (1_000, 1_000));
        else notes.Add("val.jsonl is not written: the split 9k trains on all videos but those of the test; set data.validation to []");
        Add("test", tested ?? captions.Of(video => video.Split == Test), tested is null ? (59_800, 2_990) : (1_000, 1_000));
        if (tested is not null && captions.HasSplit(Test))
            parts[^1] = parts[^1] with
            {
                Counts = [.. parts[^1].Counts, new("of these videos in the other files", held.Count(captions.Has), 1_000)],
            };
        if (tested is not null) parts[^1] = With(parts[^1], pairs!);
        return new(parts, notes);

        void Add(string part, IEnumerable<(string Video, string Caption)> rows, (long, long) published)
        {
            (string Clip, string Json)[] lines =
                [.. rows.Select(row => (row.Video, PreparedFolder.Json(new { clip_name = row.Video, caption = row.Caption })))];
            if (lines.Length > 0) parts.Add(folder.WriteClips(part, lines, "captions", published));
            else notes.Add($"{part}.jsonl is not written: no file has its videos");
        }
    }

    /// <summary>The videos and captions of <c>videodatainfo</c> files.</summary>
    private sealed class Captions
    {
        private readonly OrderedDictionary<string, string> _splits = [];
        private readonly List<(string Video, string Caption)> _sentences = [];

        /// <summary>Whether there is a video.</summary>
        public bool Has(string video) => _splits.ContainsKey(video);

        /// <summary>Whether there are videos of a split.</summary>
        public bool HasSplit(string split) => _splits.ContainsValue(split);

        /// <summary>The captions of some videos, in the order of the files.</summary>
        public IEnumerable<(string Video, string Caption)> Of(Func<(string Name, string Split), bool> wanted) =>
            _sentences.Where(sentence => wanted((sentence.Video, _splits[sentence.Video])));

        /// <summary>The first caption of each of the first videos, by number.</summary>
        public IEnumerable<(string Video, string Caption)> FirstOf(Func<(string Name, string Split), bool> wanted, int count) =>
            Of(wanted).DistinctBy(sentence => sentence.Video).OrderBy(sentence => Number(sentence.Video)).Take(count);

        /// <summary>Reads a file, where it is one of these.</summary>
        public bool TryRead(string file)
        {
            if (!File.Exists(file)) throw new DataException($"{file}: there is no such file");
            using JsonDocument? json = Parse(file);
            if (json is not { RootElement: { ValueKind: JsonValueKind.Object } root }
                || !root.TryGetProperty("videos", out JsonElement videos) || videos.ValueKind != JsonValueKind.Array
                || !root.TryGetProperty("sentences", out JsonElement sentences) || sentences.ValueKind != JsonValueKind.Array) return false;
            foreach (JsonElement video in videos.EnumerateArray())
            {
                string name = Text(video, "video_id", file);
                _splits[name] = video.TryGetProperty("split", out JsonElement split) ? $"{split}" : Number(name) switch
                {
                    >= FirstTest => Test,
                    >= FirstValidation => Validate,
                    _ => Train,
                };
            }
            foreach (JsonElement sentence in sentences.EnumerateArray())
            {
                string video = Text(sentence, "video_id", file);
                if (!Has(video)) throw new DataException($"{file}: has a sentence about {video}, which is none of its videos");
                _sentences.Add((video, Text(sentence, "caption", file).Trim()));
            }
            return true;
        }

        /// <summary>A file that is one piece of JSON; null for others.</summary>
        private static JsonDocument? Parse(string file)
        {
            try
            {
                if (AnnotationContainer.Of(file) != AnnotationContainer.Json) return null;
                using FileStream stream = File.OpenRead(file);
                return JsonDocument.Parse(stream);
            }
            catch (JsonException)
            {
                return null;                                         // it may be JSON objects, one a line
            }
        }

        private static string Text(JsonElement item, string name, string file) =>
            item.TryGetProperty(name, out JsonElement value) && $"{value}" is { Length: > 0 } text ? text
            : throw new DataException($"{file}: one of its items has no \"{name}\": {item}");

        private static long Number(string video) =>
            long.TryParse(video.AsSpan().TrimStart("abcdefghijklmnopqrstuvwxyz"), NumberStyles.None, CultureInfo.InvariantCulture,
                out long number) ? number : long.MaxValue;
    }
}
