using System.Text.Json;
using Alpro.Data.Corpora;
using Alpro.Data.Preparation;
using Alpro.Data.Preparation.Official;
using Parquet;
using Parquet.Schema;

namespace Alpro.Data.Tests.Preparation;

/// <summary>Annotation files in the form in which their owners publish them, small or as long as the published ones.</summary>
public sealed class OfficialAnnotationsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Didemo_descriptions_of_a_video_are_joined_in_the_order_of_the_file()
    {
        string train = Write("train_data.json", """
            [{"dl_link": "https://www.flickr.com/x", "description": "a man walks in.", "times": [[0, 0], [0, 0], [1, 1], [0, 0]],
              "video": "12090392@N02_13482799053_87ef417396.mov", "annotation_id": 1, "num_segments": 6},
             {"description": "the dog jumps ", "times": [[2, 3]], "video": "54322086@N00_2408598493_274c77d26a.avi", "annotation_id": 2},
             {"description": "he waves — \"hello\"", "times": [[4, 4]], "annotation_id": 3,
              "video": "12090392@N02_13482799053_87ef417396.mov"}]
            """);
        Directory.CreateDirectory(_folder.File("out/videos"));
        File.WriteAllText(_folder.File("out/videos/54322086@N00_2408598493_274c77d26a.mp4"), "x");
        PreparedPart part = Assert.Single(Prepare("didemo", train).Parts);
        Assert.Equal(
        [
            """{"clip_name":"12090392@N02_13482799053_87ef417396","caption":"a man walks in. he waves — \"hello\""}""",
            """{"clip_name":"54322086@N00_2408598493_274c77d26a","caption":"the dog jumps"}""",
        ], File.ReadLines(_folder.File("out/txt/train.jsonl")));
        Assert.Equal([3, 2, 2], part.Counts.Select(count => (int)count.Found));
        Assert.Equal(1, part.WithoutMedia);
        CorpusConfig config = new() { Name = "didemo", Annotations = "txt/train.jsonl", Media = "videos" };
        using var corpus = VideoTextCorpus.Open(config, _folder.File("out"));
        Assert.Equal((1, "the dog jumps"), (corpus.Count, corpus[0].Captions[0]));
    }

    [Fact]
    public void Didemo_as_long_as_published_has_no_differences_and_a_shorter_one_is_named()
    {
        string[] files =
        [
            Write("train_data.json", Descriptions(33_005, 8_395)), Write("val_data.json", Descriptions(4_180, 1_065)),
            Write("test_data.json", Descriptions(4_021, 1_004)),
        ];
        AnnotationReport report = Prepare("didemo", files);
        Assert.Equal(["train", "val", "test"], report.Parts.Select(part => part.Name));
        Assert.Empty(report.Differences);
        Write("test_data.json", Descriptions(4_021, 1_003));
        Assert.Equal(["test: 1,003 videos, published are 1,004"], Prepare("didemo", files).Differences);

        static string Descriptions(int count, int videos) => JsonSerializer.Serialize(Enumerable.Range(0, count).Select(i =>
            new { video = $"{i % videos}@N00_1.mov", description = $"text {i}", times = new[] { new[] { 0, 1 } }, annotation_id = i }));
    }

    [Fact]
    public void Msrvtt_as_long_as_published_is_split_as_asked()
    {
        string[] files = Msrvtt(videos: 10_000, captions: 20, pairs: 1_000);
        AnnotationReport paper = Prepare("msrvtt", files);
        Assert.Equal(["train 140,200 7,010", "val 1,000 1,000", "test 1,000 1,000"], paper.Parts.Select(Numbers));
        Assert.Empty(paper.Differences);
        Assert.Equal(1_000, paper.Parts[2].Counts[2].Found);
        string[] held = [.. Clips("test")];
        Assert.Equal("video9999", held[0]);
        Assert.Empty(Clips("val").Concat(Clips("train")).Intersect(held));
        Assert.Empty(Clips("val").Intersect(Clips("train")));
        Assert.Equal("""{"clip_name":"video0","caption":"caption 0 of video0"}""",
            File.ReadLines(_folder.File("out/txt/train.jsonl")).First());
        Assert.Equal("""{"clip_name":"video9999","caption":"a pair, as \"it\" is"}""",
            File.ReadLines(_folder.File("out/txt/test.jsonl")).First());

        AnnotationReport nine = Prepare("msrvtt", new AnnotationChoices("9k"), files);
        Assert.Equal(["train 180,000 9,000", "test 1,000 1,000"], nine.Parts.Select(Numbers));
        Assert.Empty(nine.Differences);
        Assert.Contains(nine.Notes, note => note.StartsWith("val.jsonl is not written", StringComparison.Ordinal));

        AnnotationReport full = Prepare("msrvtt", files[..2]);
        Assert.Equal(["train 130,260 6,513", "val 9,940 497", "test 59,800 2,990"], full.Parts.Select(Numbers));
        Assert.Empty(full.Differences);

        IEnumerable<string> Clips(string part) => File.ReadLines(_folder.File($"out/txt/{part}.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("clip_name").GetString()!);
        static string Numbers(PreparedPart part) => $"{part.Name} {part.Counts[0].Found:N0} {part.Counts[1].Found:N0}";
    }

    [Fact]
    public void Msrvtt_names_what_does_not_belong_together()
    {
        string[] files = Msrvtt(videos: 7_012, captions: 1, pairs: 1);
        Write("MSRVTT_JSFUSION_test.csv",
            "key,vid_key,video_id,sentence\nret0,msr9770,video9770,a person is connecting something to system\n");
        Assert.Contains("test: 0 of these videos in the other files, published are 1,000", Prepare("msrvtt", files).Differences);
        Assert.Contains("the split 9k is tested on the pairs of MSRVTT_JSFUSION_test.csv",
            Refused("msrvtt", new AnnotationChoices("9k"), files[..2]), StringComparison.Ordinal);
        string strange = Write("strange_videodatainfo.json", """{"videos": [], "sentences": [{"video_id": "video1", "caption": "x"}]}""");
        Assert.Contains("has a sentence about video1, which is none of its videos", Refused("msrvtt", new(), strange),
            StringComparison.Ordinal);
        string questions = Write("train_qa.json", Questions(1, 6513));
        Assert.Contains("prepare each into a folder of its own", Refused("msrvtt", new(), [.. files, questions]), StringComparison.Ordinal);
    }

    [Fact]
    public void Msrvtt_questions_get_types_and_a_list_of_the_commonest_answers()
    {
        string train = Write("train_qa.json", """
            [{"answer": "couch", "category_id": 14, "id": 0, "question": "what are three people sitting on?", "video_id": 6513},
             {"answer": "man", "category_id": 14, "id": 1, "question": "who sits?", "video_id": 6513},
             {"answer": "couch", "category_id": 14, "id": 2, "question": "Where is he?", "video_id": 7},
             {"answer": "yes", "category_id": 14, "id": 3, "question": "is it red?", "video_id": 7}]
            """);
        AnnotationReport report = Prepare("msrvtt", train);
        Assert.Equal("""{"video_id":"video6513","question":"what are three people sitting on?","answer":"couch","answer_type":"what"}""",
            File.ReadLines(_folder.File("out/txt/train.jsonl")).First());
        Assert.Equal(["what", "who", "where", "other"], File.ReadLines(_folder.File("out/txt/train.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("answer_type").GetString()));
        Assert.Equal("""{"couch":0,"man":1,"yes":2}""", File.ReadAllText(_folder.File("out/txt/train_ans2label.json")).Trim());
        Assert.Equal(["train: 4 questions, published are 158,581"], report.Differences);
        Assert.Equal(["labels 3", "questions of training with a label 4"],
            report.Parts[1].Counts.Select(count => $"{count.What} {count.Found}"));

        Write("train_qa.json", Questions(158_581, 6_513));
        report = Prepare("msrvtt", train, Write("val_qa.json", Questions(12_278, 497)), Write("test_qa.json", Questions(72_821, 2_990)));
        Assert.Empty(report.Differences);
        Assert.Equal(1_500, report.Parts[1].Counts[0].Found);
    }

    [Fact]
    public void Msvd_questions_name_the_videos_as_youtube_does_where_the_mapping_is_given()
    {
        string test = Write("test_qa.json", """[{"answer": "meat", "id": 1, "question": "what is cut?", "video_id": 2}]""");
        string mapping = Write("youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\n-7KMZQEsJW4_205_208 vid2\n");
        AnnotationReport report = Prepare("msvd", test, mapping);
        Assert.Equal("""{"video_id":"-7KMZQEsJW4_205_208","question":"what is cut?","answer":"meat","answer_type":"what"}""",
            Assert.Single(File.ReadLines(_folder.File("out/txt/test.jsonl"))));
        Assert.Contains(report.Notes, note => note.StartsWith("no list of answers", StringComparison.Ordinal));
        report = Prepare("msvd", test);
        Assert.StartsWith("""{"video_id":"vid2",""", File.ReadAllText(_folder.File("out/txt/test.jsonl")), StringComparison.Ordinal);
        Assert.Contains(report.Notes, note => note.Contains("youtube_mapping.txt", StringComparison.Ordinal));
        Write("youtube_mapping.txt", "-4wsuPCjDBc_5_15 vid1\n");
        Assert.Contains("test_qa.json: asks about vid2, which youtube_mapping.txt does not name", Refused("msvd", new(), test, mapping),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Webvid_mirrors_in_pieces_become_one_csv_and_the_published_one_is_counted_in_place()
    {
        Directory.CreateDirectory(_folder.File("webvid-10M/train"));
        DataField<long> id = new("videoid");
        DataField<string> name = new("name"), page = new("page_dir");
        for (int piece = 0; piece < 2; piece++)
        {
            await using FileStream file = File.Create(_folder.File($"webvid-10M/train/{piece:D4}.parquet"));
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, name, page), file);
            using ParquetRowGroupWriter rows = writer.CreateRowGroup();
            await rows.WriteAsync<long>(id, new long[] { 10 + piece });
            await rows.WriteAsync(name, new string[] { $"A \"{piece}\", so" });
            await rows.WriteAsync(page, new string[] { "000001_000050" });
        }
        AnnotationReport report = Prepare("webvid", Directory.GetFiles(_folder.File("webvid-10M/train")));
        Assert.Equal(["videoid,name,page_dir", "10,\"A \"\"0\"\", so\",000001_000050", "11,\"A \"\"1\"\", so\",000001_000050"],
            File.ReadLines(_folder.File("out/results_10M_train.csv")));
        Assert.Equal(["train: 2 rows, published are 10,700,000"], report.Differences);

        string published = Write("out/results_2M_val.csv", "videoid,name,page_idx,page_dir,duration,contentUrl\n"
            + string.Concat(Enumerable.Range(0, 4_990).Select(i => $"{i},text {i},1,p,PT1S,u\n")) + "5000,,1,p,PT1S,u\n");
        string before = File.ReadAllText(published);
        report = Prepare("webvid", published);
        Assert.Equal((before, 1), (File.ReadAllText(published), report.Parts[0].LeftOut));
        Assert.Equal("results_2M_val.csv, row 4991: its \"name\" is empty", report.Parts[0].Problems[0]);
        Assert.Empty(report.Differences);
        Assert.Contains("expected 2M or 10M in its name", Refused("webvid", new(), Write("train.csv", before)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Row", "0.jpg", "2.jpg")]
    [InlineData("Img2dataset", "00000/000000000.jpg", "00000/000000002.jpg")]
    [InlineData("Crc32", "training/3741926418", "training/2781419378")]
    public void Cc3m_images_are_named_as_they_were_downloaded(string names, string first, string last)
    {
        string train = Write("Train_GCC-training.tsv",
            "a very typical bus station\thttp://a.com/1.jpg\nno address\nthe \"end\"\thttp://a.com/3.jpg\n");
        PreparedPart part = Assert.Single(Prepare("cc3m", new AnnotationChoices(Images: Enum.Parse<ImageNames>(names)), train).Parts);
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllText(_folder.File("out/train.json"))).RootElement.EnumerateArray()];
        Assert.Equal([(first, "a very typical bus station"), (last, "the \"end\"")],
            rows.Select(row => (row.GetProperty("image").GetString()!, row.GetProperty("caption").GetString()!)));
        Assert.Equal((1, "Train_GCC-training.tsv, row 2: it has 1 columns, not 2"), (part.LeftOut, part.Problems[0]));
    }

    [Fact]
    public void Unknown_and_absent_files_are_named_in_one_line_and_the_same_files_make_the_same_bytes()
    {
        string other = Write("train.csv", "id,text\n1,x\n");
        Assert.Equal($"{other}: is none of the files that are published; expected train_data.json, val_data.json, test_data.json; it has "
            + "the columns id, text", Refused("didemo", new(), other));
        string unnamed = Write("data.json", """[{"video": "a.mov", "description": "x"}]""");
        Assert.Equal($"{unnamed}: which part it is cannot be told; expected train, val or test in its name",
            Refused("didemo", new(), unnamed));
        Assert.Equal($"{_folder.File("no.json")}: there is no such file", Refused("msrvtt", new(), _folder.File("no.json")));
        string[] twice = [Write("train_data.json", File.ReadAllText(unnamed)), Write("my_train.json", File.ReadAllText(unnamed))];
        Assert.Contains("both are the train part", Refused("didemo", new(), twice), StringComparison.Ordinal);

        string[] files = Msrvtt(videos: 7_020, captions: 2, pairs: 2);
        Prepare("msrvtt", files);
        byte[][] first = [.. Directory.GetFiles(_folder.File("out/txt")).Order().Select(File.ReadAllBytes)];
        Prepare("msrvtt", [.. files.Reverse()]);
        Assert.Equal(first, Directory.GetFiles(_folder.File("out/txt")).Order().Select(File.ReadAllBytes));
        Assert.Equal(3, first.Length);
    }

    private AnnotationReport Prepare(string dataset, params string[] files) => Prepare(dataset, new AnnotationChoices(), files);

    private AnnotationReport Prepare(string dataset, AnnotationChoices choices, params string[] files) =>
        DatasetRecipe.All.Single(recipe => recipe.Name == dataset).Annotations.Prepare(files, _folder.File("out"), choices);

    private string Refused(string dataset, AnnotationChoices choices, params string[] files) =>
        Assert.Throws<DataException>(() => Prepare(dataset, choices, files)).Message;

    private string Write(string name, string text)
    {
        string path = _folder.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>MSR-VTT's files for retrieval: videos up to a number, captions of each, and pairs of the last videos.</summary>
    private string[] Msrvtt(int videos, int captions, int pairs)
    {
        return
        [
            Write("train_val_videodatainfo.json", Info(0, 7_010)), Write("test_videodatainfo.json", Info(7_010, videos)),
            Write("MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence\n" + string.Concat(Enumerable.Range(0, pairs).Select(i =>
                $"ret{i},msr{videos - 1 - i},video{videos - 1 - i},\"a pair, as \"\"it\"\" is\"\n"))),
        ];

        string Info(int first, int end) => JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["info"] = new { year = "2016", contributor = "Microsoft MSM group" },
            ["videos"] = Enumerable.Range(first, end - first).Select(i => new Dictionary<string, object>
            {
                ["category"] = 9, ["url"] = "https://www.youtube.com/watch?v=9lZi22qLlEo", ["video_id"] = $"video{i}",
                ["start time"] = 137.72, ["end time"] = 149.44, ["split"] = i < 6_513 ? "train" : i < 7_010 ? "validate" : "test", ["id"] = i,
            }),
            ["sentences"] = Enumerable.Range(first * captions, (end - first) * captions).Select(i => new Dictionary<string, object>
            {
                ["caption"] = $"caption {i % captions} of video{i / captions}", ["video_id"] = $"video{i / captions}", ["sen_id"] = i,
            }),
        });
    }

    /// <summary>Questions in the owners' form, of 2,000 answers.</summary>
    private static string Questions(int count, int videos) => JsonSerializer.Serialize(Enumerable.Range(0, count).Select(i =>
        new { answer = $"answer {i % 2000}", category_id = 14, id = i, question = "what is it?", video_id = i % videos }));
}
