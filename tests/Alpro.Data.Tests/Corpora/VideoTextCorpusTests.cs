using System.Formats.Tar;
using System.Text;
using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Media;
using Alpro.Data.Synthetic;
using Parquet;
using Parquet.Schema;

namespace Alpro.Data.Tests.Corpora;

public sealed class VideoTextCorpusTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Webvid_rows_are_read_with_quotes_commas_and_line_breaks_in_them()
    {
        Media("v/1.mp4", "v/2.mp4", "v/3.mp4", "v/4.mp4", "v/5.mp4");
        Write("a.csv", "videoid,name,page_idx,page_dir,duration,contentUrl\r\n1,A dog runs,0,,PT1S,u\r\n2,\"A \"\"big\"\", red "
            + "dog\",0,,PT1S,u\n3,\"first line\nsecond, line\r\nthird\",0,,PT1S,u\n4,5\" nails and a \"hammer\",0,,PT1S,u\n5,last without "
            + "line break,0,,PT1S,u");
        using VideoTextCorpus corpus = Open("a.csv", "v");
        Assert.Equal(["A dog runs", "A \"big\", red dog", "first line\nsecond, line\r\nthird", "5\" nails and a \"hammer\"",
            "last without line break"], Captions(corpus));
        Assert.Equal(("1", MediaKind.Video, _folder.File("v/1.mp4")), (corpus[0].Key, corpus[0].Kind, corpus[0].Media.Path));
        Assert.True(corpus[4].Media.IsWholeFile);
        Assert.Equal(new CorpusCoverage(5, 0, 0, 0), corpus.Coverage);
    }

    [Fact]
    public void Corpus_is_seen_to_be_readable_without_an_index_and_the_index_that_opening_makes_is_named()
    {
        Media("v/1.mp4");
        Write("a.csv", "videoid,name\n1,A dog\n");
        Write("b.csv", "id,words\n1,A dog\n");
        VideoTextCorpus.RequireReadable(new() { Name = "a", Annotations = "a.csv", Media = "v" }, _folder.Path);
        Assert.False(Directory.Exists(_folder.File(".alpro-index")));
        Assert.Contains("has the columns id, words; expected ", Assert.Throws<DataException>(
            () => VideoTextCorpus.RequireReadable(new() { Name = "b", Annotations = "b.csv", Media = "v" }, _folder.Path)).Message,
            StringComparison.Ordinal);
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(Assert.Single(Indexes()), corpus.NewIndex);
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Null(corpus.NewIndex);
    }

    [Fact]
    public void Webvid_columns_may_stand_in_any_order_behind_a_byte_order_mark()
    {
        Media("v/7.mp4");
        Write("a.csv", "\uFEFFname,duration,videoid\nA cat,PT1S,7\n");
        using VideoTextCorpus corpus = Open("a.csv", "v");
        Assert.Equal("A cat", Assert.Single(Captions(corpus)));
    }

    [Theory]
    [InlineData(MissingMedia.Check)]
    [InlineData(MissingMedia.Lazy)]
    public void Webvid_videos_lie_flat_or_in_page_folders(MissingMedia missing)
    {
        Media("v/1.mp4", "v/000051_000100/2.mp4");
        Write("a.csv", "videoid,name,page_dir\n1,flat,000001_000050\n2,nested,000051_000100\n");
        using VideoTextCorpus corpus = Open("a.csv", "v", config => config with { Missing = missing });
        Assert.Equal([_folder.File("v/1.mp4"), _folder.File("v/000051_000100/2.mp4")],
            Enumerable.Range(0, 2).Select(i => corpus[i].Media.Path));
    }

    [Fact]
    public void Absent_videos_are_counted_when_the_corpus_opens_and_never_asked_for()
    {
        Media("v/2.mp4");
        Write("a.csv", "videoid,name\n1,one\n2,two\n3,three\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v"))
        {
            Assert.Equal("two", Assert.Single(Captions(corpus)));
            Assert.Equal("1 of 3 rows have their video", corpus.Coverage.Describe(corpus.Kind));
        }
        using (VideoTextCorpus lazy = Open("a.csv", "v", config => config with { Missing = MissingMedia.Lazy }))
        {
            Assert.Equal(3, lazy.Count);
            Assert.Equal(_folder.File("v/1.mp4"), lazy[0].Media.Path);
        }
    }

    [Fact]
    public void Videos_that_appear_later_are_found_by_the_next_opening()
    {
        Media("v/1.mp4");
        Write("a.csv", "videoid,name,page_dir\n1,one,p\n2,two,p\n3,three,p\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(1, corpus.Count);
        Media("v/2.mp4");
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(2, corpus.Count);
        Media("v/p/3.mp4");
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(3, corpus.Count);
    }

    [Fact]
    public void Paths_that_climb_out_of_the_folder_are_refused()
    {
        Media("v/1.mp4", "secret.mp4", "v/sub/2.mp4");
        Write(
            "a.json", $$"""[{"image": "1.mp4", "caption": "in"}, {"image": "../secret.mp4", "caption": "out"}, {"image": "{{_folder.File("secret.mp4")}}", "caption": "out"}, {"image": "sub/../../v/sub/2.mp4", "caption": "in after all"}, {"image": "{{_folder.File("v/1.mp4")}}", "caption": "in, absolute"}]""");
        using VideoTextCorpus corpus = Open("a.json", "v");
        Assert.Equal(["in", "in after all", "in, absolute"], Captions(corpus));
        Assert.Equal(2, corpus.Coverage.Refused);
        Assert.Equal("row 2: its path ../secret.mp4 leads out of the media folder", corpus.Problems[0]);
        Assert.Equal("3 of 5 rows have their image; 2 outside the media folder", corpus.Coverage.Describe(MediaKind.Image));
    }

    [Fact]
    public void Captions_that_are_not_utf8_are_taken_for_latin1()
    {
        Media("v/1.mp4", "v/2.mp4");
        File.WriteAllBytes(_folder.File("a.csv"), [.. "videoid,name\n1,caf"u8, 0xE9, .. "\n2,café\n"u8]);
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(["café", "café"], Captions(corpus));
        File.WriteAllBytes(_folder.File("a.jsonl"), [.. "{\"clip_name\": \"1\", \"caption\": \"caf"u8, 0xE9, .. "\"}\n"u8]);
        using (VideoTextCorpus corpus = Open("a.jsonl", "v")) Assert.Equal(["café"], Captions(corpus));
    }

    [Fact]
    public void A_caption_of_100_kilobytes_is_an_ordinary_caption()
    {
        Media("v/1.mp4", "v/2.mp4");
        string caption = string.Join(' ', Enumerable.Repeat("word,", 2_000_000 / 5));
        Write("a.csv", $"videoid,name\n1,\"{caption}\"\n2,next\n");
        using VideoTextCorpus corpus = Open("a.csv", "v");
        Assert.Equal([caption, "next"], Captions(corpus));
    }

    [Fact]
    public void Malformed_rows_are_counted_and_cost_only_themselves()
    {
        Media("v/1.mp4", "v/2.mp4", "v/3.mp4", "v/4.mp4", "v/5.mp4");
        Write("a.csv", "videoid,name\n1,one\n2\n\n3,three,too,many\n4,  \n,nameless\n5,five\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v"))
        {
            Assert.Equal(["one", "five"], Captions(corpus));
            Assert.Equal(new CorpusCoverage(6, 0, 4, 0), corpus.Coverage);
            Assert.Equal(["row 2: it has 1 columns, not 2", "row 3: it has 4 columns, not 2", "row 4: its \"name\" is empty",
                "row 5: its \"videoid\" is empty"], corpus.Problems);
        }
        Write("a.csv", "videoid,name\n1,one\n2,\"never closed\n3,three\n4,four\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v"))
        {
            Assert.Equal(["one", "three", "four"], Captions(corpus));
            Assert.Equal("row 2: a quote is opened and never closed", Assert.Single(corpus.Problems));
        }
        Write("a.jsonl", "{\"clip_name\": \"1\", \"caption\": \"one\"}\n{\"clip_name\": \"2\", \"capt\n\n[1]\n{\"clip_name\": "
            + "\"3\"}\n{\"clip_name\": 4, \"caption\": \"four\"}");
        using (VideoTextCorpus corpus = Open("a.jsonl", "v"))
        {
            Assert.Equal(["one", "four"], Captions(corpus));
            Assert.Equal(new CorpusCoverage(5, 0, 3, 0), corpus.Coverage);
            Assert.Equal("row 4: it has no \"caption\"", corpus.Problems[2]);
        }
        Write("a.json", "[{\"image\": \"1.mp4\", \"caption\": \"o}n\\\"e\"},\n {\"image\": \"2.mp4\", \"caption\": nonsense}, {\"image\": "
            + "\"3.mp4\", \"caption\": \"three\"}, {\"image\": \"4.mp4\", \"capt");
        using (VideoTextCorpus corpus = Open("a.json", "v"))
        {
            Assert.Equal(["o}n\"e", "three"], Captions(corpus));
            Assert.Equal(2, corpus.Coverage.Malformed);
        }
    }

    [Fact]
    public void Duplicate_rows_are_counted_and_kept()
    {
        Media("v/1.mp4", "v/2.mp4");
        Write("a.csv", "videoid,name\n1,one\n1,one\n1,other words\n2,two\n1,one\n");
        using VideoTextCorpus corpus = Open("a.csv", "v");
        Assert.Equal((5, 2), (corpus.Count, corpus.Coverage.Duplicates));
        Assert.Equal("5 of 5 rows have their video; 2 duplicates", corpus.Coverage.Describe(MediaKind.Video));
    }

    [Fact]
    public void Long_captions_are_left_out_by_the_word_limit()
    {
        Media("v/1.mp4", "v/2.mp4", "v/3.mp4");
        Write("a.csv", "videoid,name\n1,one  two three\n2,one two three four\n3, one\n");
        using VideoTextCorpus corpus = Open("a.csv", "v", config => config with { MaxCaptionWords = 4 });
        Assert.Equal(["one  two three", " one"], Captions(corpus));
        Assert.Equal(new CorpusCoverage(3, 1, 0, 0), corpus.Coverage);
    }

    [Fact]
    public void Images_have_one_caption_or_a_list()
    {
        Media("i/a.jpg", "i/sub/b.png", "i/c.jpg");
        Write("a.json",
            """[ {"image": "a.jpg", "caption": "one"}, {"image": "sub/b.png", "caption": ["two", "", "three"], "more": {"x": [1, {"y": "}"}]}}, {"image": "c.jpg", "caption": []} ]""");
        using VideoTextCorpus corpus = Open("a.json", "i");
        Assert.Equal(MediaKind.Image, corpus.Kind);
        Assert.Equal(["two", "three"], corpus[1].Captions);
        Assert.Equal(_folder.File("i/sub/b.png"), corpus[1].Media.Path);
        Assert.Equal((2, 1), (corpus.Count, corpus.Coverage.Malformed));
    }

    [Fact]
    public void Tsv_images_are_named_by_row_number()
    {
        Media("i/0.jpg", "i/00000002.jpg", "i/000000003.jpg");
        Write("a.tsv", "a \"quoted\" thing\thttp://a\nabsent\thttp://b\nthird\thttp://c\nfourth\thttp://d\n");
        using VideoTextCorpus corpus = Open("a.tsv", "i");
        Assert.Equal(["a \"quoted\" thing", "third", "fourth"], Captions(corpus));
        Assert.Equal((MediaKind.Image, "2", 1), (corpus.Kind, corpus[1].Key, corpus.Coverage.Missing));
    }

    [Fact]
    public void Questions_keep_their_answers_and_types()
    {
        Media("v/video1.avi");
        Write("qa.jsonl", """{"video_id": "video1", "question": "what is it?", "answer": "dog", "answer_type": "what"}""");
        using VideoTextCorpus corpus = Open("qa.jsonl", "v", config => config with { MediaExtension = ".avi" });
        Assert.Equal(("what is it?", "dog", "what", _folder.File("v/video1.avi")),
            (corpus[0].Captions[0], corpus[0].Answer, corpus[0].AnswerType, corpus[0].Media.Path));
    }

    [Fact]
    public void Shards_are_read_in_place()
    {
        Directory.CreateDirectory(_folder.File("shards"));
        for (int shard = 0; shard < 2; shard++)
        {
            using var tar = new TarWriter(File.Create(_folder.File($"shards/{shard:D5}.tar")));
            for (int i = 0; i < 3; i++)
            {
                Member(tar, $"part/{shard}{i}.mp4", $"bytes of {shard}{i}");
                Member(tar, $"part/{shard}{i}.{(i == 1 ? "json" : "txt")}",
                    i == 1 ? $$"""{"caption": ["json {{shard}}", "again"], "url": "x"}""" : $"text {shard}{i}\n");
            }
            Member(tar, "lonely.txt", "no video");
            Member(tar, "silent.mp4", "no text");
            Member(tar, "broken.mp4", "bad json");
            Member(tar, "broken.json", "{");
        }
        foreach (string where in (string[])["shards", "shards/0000?.tar", "shards/00000.tar"])
        {
            using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig
            {
                Name = "t",
                Annotations = where,
                Format = AnnotationFormat.Tar,
            }, _folder.Path);
            int shards = where.EndsWith("00.tar", StringComparison.Ordinal) ? 1 : 2;
            Assert.Equal((3 * shards, 3 * shards, MediaKind.Video), ((int)corpus.Count, (int)corpus.Coverage.Malformed, corpus.Kind));
            Assert.Equal(["text 00", "json 0", "text 02"], Captions(corpus).Take(3));
            for (int i = 0; i < corpus.Count; i++)
            {
                VideoTextPair pair = corpus[i];
                using FileStream file = File.OpenRead(pair.Media.Path);
                byte[] bytes = new byte[pair.Media.Length];
                file.Position = pair.Media.Offset;
                file.ReadExactly(bytes);
                Assert.Equal($"bytes of {i / 3}{i % 3}", Encoding.UTF8.GetString(bytes));
                Assert.Equal($"0000{i / 3}/part/{i / 3}{i % 3}", pair.Key);
            }
        }
        using (FileStream cut = File.OpenWrite(_folder.File("shards/00001.tar"))) cut.SetLength(cut.Length / 3);
        using VideoTextCorpus damaged = VideoTextCorpus.Open(new CorpusConfig { Name = "t", Annotations = "shards" }, _folder.Path);
        Assert.InRange(damaged.Count, 3, 5);
        Assert.Contains("is damaged from here on", damaged.Problems[^1]);

        static void Member(TarWriter tar, string name, string content) =>
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile,
            name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
    }

    [Fact]
    public void Key_that_comes_again_in_a_shard_is_another_video()
    {
        using (var tar = new TarWriter(File.Create(_folder.File("s.tar"))))
            foreach (string name in (string[])["a", "b", "a", "a#2"])
                foreach (string extension in (string[])["mp4", "txt"])
                {
                    using var bytes = new MemoryStream("bytes"u8.ToArray());
                    tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{name}.{extension}") { DataStream = bytes });
                }
        using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig { Name = "t", Annotations = "s.tar" }, _folder.Path);
        Assert.Equal(["s/a", "s/b", "s/a#2", "s/a#2#2"], Enumerable.Range(0, (int)corpus.Count).Select(row => corpus[row].Key));
        for (int row = 0; row < corpus.Count; row++)
            Assert.Equal((corpus[row].Media, corpus[row].Key), NamedMedia.Find(_folder.File($"s.tar{corpus[row].Key[1..]}")));
        Assert.Contains("s.tar: holds no clip 'c'; expected the name of a file up to its first dot",
            Assert.Throws<DataException>(() => NamedMedia.Find(_folder.File("s.tar/c"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Parquet_has_the_columns_of_any_other_format()
    {
        Media("v/11.mp4", "v/12.mp4", "v/13.mp4");
        DataField id = new DataField<long>("videoid"), name = new DataField<string>("name"), ignored = new DataField<double>("score");
        await using (FileStream file = File.Create(_folder.File("a.parquet")))
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, name, ignored), file))
        {
            for (int group = 0; group < 2; group++)
            {
                using ParquetRowGroupWriter rows = writer.CreateRowGroup();
                await rows.WriteAsync<long>(id, new long[] { 11 + 2 * group, 12 + 2 * group });
                await rows.WriteAsync(name, (string[])[$"caption {11 + 2 * group}", group == 0 ? "" : "absent"]);
                await rows.WriteAsync<double>(ignored, new double[] { 1, 2 });
            }
        }
        using VideoTextCorpus corpus = Open("a.parquet", "v");
        Assert.Equal(["caption 11", "caption 13"], Captions(corpus));
        Assert.Equal(new CorpusCoverage(4, 0, 1, 1), corpus.Coverage);

        Write("bad.parquet", "PAR1 and then nothing of the kind");
        Assert.Contains("bad.parquet cannot be read", Assert.Throws<DataException>(() => Open("bad.parquet", "v")).Message);
    }

    [Fact]
    public async Task Parquet_captions_may_be_lists()
    {
        Media("i/a.jpg", "i/b.jpg");
        DataField image = new DataField<string>("image"), caption = new("caption", typeof(string[]));
        var schema = new ParquetSchema(image, caption);
        await using (FileStream file = File.Create(_folder.File("a.parquet")))
        await using (var writer = await ParquetWriter.CreateAsync(schema, file))
        {
            using ParquetRowGroupWriter rows = writer.CreateRowGroup();
            await rows.WriteAsync(schema.DataFields[0], (string[])["a.jpg", "b.jpg"]);
            await rows.WriteAsync(schema.DataFields[1], (string[])["one", "two", "three"], new int[] { 0, 1, 0 });
        }
        using VideoTextCorpus corpus = Open("a.parquet", "i");
        Assert.Equal((MediaKind.Image, 2), (corpus.Kind, corpus.Count));
        Assert.Equal(["one", "two"], corpus[0].Captions);
        Assert.Equal(["three"], corpus[1].Captions);
    }

    [Fact]
    public void Lacking_columns_are_named_with_the_nearest_spelling()
    {
        Media("v/1.mp4");
        Write("a.csv", "video_id,nmae,duration\n1,one,PT1S\n");
        Assert.Equal($"corpus test: {_folder.File("a.csv")} has the columns video_id, nmae, duration; expected videoid, name: \"videoid\" "
            + "is lacking (is \"video_id\" meant?); \"name\" is lacking (is \"nmae\" meant?); set \"columns\" where yours have other names",
            Assert.Throws<DataException>(() => Open("a.csv", "v")).Message);
        Write("a.jsonl", "{\"clip\": \"1\", \"captions\": \"x\"}\n");
        Assert.Contains("has the columns clip, captions; expected videoid, name, or video_id, question, answer, or clip_name, caption, or "
            + "image, caption", Assert.Throws<DataException>(() => Open("a.jsonl", "v")).Message);
        Assert.Contains("\"clip_name\" is lacking; \"caption\" is lacking (is \"captions\" meant?)",
            Assert.Throws<DataException>(() => Open("a.jsonl", "v",
            config => config with { Format = AnnotationFormat.RetrievalJsonl })).Message);
        Write("page.jsonl", "<html>\n<body>404</body>\n</html>\n");
        Assert.Contains("no row of", Assert.Throws<DataException>(
            () => Open("page.jsonl", "v", config => config with { Format = AnnotationFormat.RetrievalJsonl })).Message);
    }

    [Fact]
    public void Absent_files_and_folders_are_named()
    {
        Write("a.csv", "videoid,name\n1,one\n");
        Write("empty.csv", "");
        Assert.Equal($"corpus test: there is no media folder {_folder.File("v")}; set \"media\" to the folder that holds the videos or "
            + "images", Assert.Throws<DataException>(() => Open("a.csv", "v")).Message);
        Assert.Equal($"corpus test: there is no annotation file {_folder.File("b.csv")}",
            Assert.Throws<DataException>(() => Open("b.csv", "v")).Message);
        Assert.Equal($"corpus test: {_folder.File("empty.csv")} is empty",
            Assert.Throws<DataException>(() => Open("empty.csv", ".")).Message);
        Assert.Equal($"corpus test: there are no shards {_folder.File("*.tar")}",
            Assert.Throws<DataException>(() => Open(".", "v")).Message);
    }

    [Fact]
    public void The_index_is_used_until_the_annotations_or_settings_change()
    {
        Media("v/1.mp4", "v/2.mp4");
        Write("a.csv", "videoid,name\n1,one\n2,two two two\n");
        Open("a.csv", "v").Dispose();
        string index = Assert.Single(Indexes());
        DateTime made = Mark(index);
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(2, corpus.Count);
        Assert.Equal(made, File.GetLastWriteTimeUtc(index));

        using (VideoTextCorpus corpus = Open("a.csv", "v", config => config with { MaxCaptionWords = 2 })) Assert.Equal(1, corpus.Count);
        Assert.Equal((2, made), (Indexes().Length, File.GetLastWriteTimeUtc(index)));

        Write("a.csv", "videoid,name\n1,one\n2,two two six\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal("two two six", corpus[1].Captions[0]);
        Assert.NotEqual(made, File.GetLastWriteTimeUtc(index));

        byte[] good = File.ReadAllBytes(index);
        foreach (int length in (int[])[0, 10, good.Length / 2, good.Length - 1])
        {
            File.WriteAllBytes(index, good[..length]);
            using VideoTextCorpus corpus = Open("a.csv", "v");
            Assert.Equal(2, corpus.Count);
            Assert.Equal(good.Length, new FileInfo(index).Length);
        }
        Assert.Equal(2, Indexes().Length);
    }

    [Fact]
    public void Columns_that_are_there_twice_are_refused_where_they_are_wanted()
    {
        Media("v/1.mp4");
        Write("a.csv", "videoid,name,url,url,,\n1,one,u,u,,\n");
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(["one"], Captions(corpus));
        Write("b.csv", "videoid,name,name\n1,one,two\n");
        Assert.Contains("b.csv cannot be read, or its index not be written: its header has the column \"name\" twice; expected once",
            Assert.Throws<DataException>(() => Open("b.csv", "v")).Message);
    }

    [Fact]
    public void A_header_in_the_middle_of_a_file_is_no_row()
    {
        Media("v/1.mp4", "v/2.mp4");
        Write("a.csv", "videoid,name\n1,one\nvideoid,name\n2,two\n");
        using VideoTextCorpus corpus = Open("a.csv", "v", config => config with { Missing = MissingMedia.Lazy });
        Assert.Equal(["one", "two"], Captions(corpus));
        Assert.Equal("row 2: it is the header again", Assert.Single(corpus.Problems));
    }

    [Fact]
    public void The_index_of_a_flat_media_folder_is_used_again()
    {
        Media("1.mp4", "2.mp4");
        Write("a.csv", "videoid,name\n1,one\n2,two\n3,three\n");
        Open("a.csv", ".").Dispose();
        string index = Assert.Single(Indexes());
        DateTime made = Mark(index);
        using (VideoTextCorpus corpus = Open("a.csv", ".")) Assert.Equal(2, corpus.Count);
        Assert.Equal(made, File.GetLastWriteTimeUtc(index));
        Media("3.mp4");
        using (VideoTextCorpus corpus = Open("a.csv", ".")) Assert.Equal(3, corpus.Count);
        Assert.NotEqual(made, File.GetLastWriteTimeUtc(index));
    }

    [Fact]
    public void Settings_and_media_folders_that_differ_displace_no_index()
    {
        Media("v/1.mp4", "v/2.mp4", "w/1.mp4");
        Write("a.csv", "videoid,name\n1,one\n2,two two\n");
        (string Media, int? Words, int Count)[] opened = [("v", null, 2), ("v", 2, 1), ("w", null, 1)];
        for (int round = 0; round < 2; round++)
        {
            foreach ((string media, int? words, int count) in opened)
                using (VideoTextCorpus corpus = Open("a.csv", media, config => config with { MaxCaptionWords = words }))
                    Assert.Equal(count, corpus.Count);
            Assert.Equal(opened.Length, Indexes().Length);
            if (round == 0) foreach (string index in Indexes()) Mark(index);
        }
        Assert.All(Indexes(), index => Assert.Equal(2020, File.GetLastWriteTimeUtc(index).Year));
    }

    [Fact]
    public void A_reader_goes_on_when_its_index_is_replaced()
    {
        Media("v/1.mp4", "v/2.mp4");
        Write("a.csv", "videoid,name\n1,one\n2,two\n");
        using VideoTextCorpus before = Open("a.csv", "v");
        Write("a.csv", "videoid,name\n1,one\n");
        using VideoTextCorpus after = Open("a.csv", "v");
        Assert.Single(Indexes());
        Assert.Equal(["one", "two"], Captions(before));
        Assert.Equal(["one"], Captions(after));
    }

    [Fact]
    public void An_index_that_cannot_lie_beside_the_annotations_goes_to_the_cache_folder()
    {
        Media("v/1.mp4");
        Write("a.csv", "videoid,name\n1,one\n");
        Write(".alpro-index", "");                                   // stands for a folder that cannot be written, root's powers or not
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(1, corpus.Count);
        string cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "alpro");
        string index = Assert.Single(Directory.GetFiles(cache, "a.csv-*"), path => File.ReadAllText(path).Contains(_folder.Path));
        using (VideoTextCorpus corpus = Open("a.csv", "v")) Assert.Equal(1, corpus.Count);
        File.Delete(index);
        Assert.Empty(Directory.GetFiles(cache, "*.tmp"));
    }

    [Fact]
    public void Rows_are_read_by_several_threads_at_once()
    {
        Media([.. Enumerable.Range(0, 300).Select(i => $"v/{i}.mp4")]);
        Write("a.csv", "videoid,name\n" + string.Concat(Enumerable.Range(0, 300).Select(i => $"{i},caption {i}\n")));
        using VideoTextCorpus corpus = Open("a.csv", "v");
        Parallel.For(0, 3000, i => Assert.Equal($"caption {i % 300}", corpus[i % 300].Captions[0]));
    }

    [Fact]
    public async Task The_synthetic_world_opens_in_every_format_it_is_written_in()
    {
        await SyntheticWorld.CreateAsync(_folder.File("world"), new SyntheticWorldSettings { Clips = 20, TestClips = 10 });
        foreach ((string annotations, string media, int count) in new[] { ("train/results_train.csv", "train/videos", 20),
            ("val/results_val.csv", "val/videos", 10), ("test/retrieval.jsonl", "test/videos", 10),
            ("images/annotations.json", "images", 10), ("qa/train.jsonl", "train/videos", 140), ("qa/test.jsonl", "test/videos", 70) })
        {
            using VideoTextCorpus corpus = Open("world/" + annotations, "world/" + media);
            Assert.Equal(new CorpusCoverage(count, 0, 0, 0), corpus.Coverage with { Duplicates = 0 });
            Assert.True(File.Exists(corpus[count - 1].Media.Path));
        }
    }

    [SharedFact]
    public void The_published_webvid_csv_opens()
    {
        string source = Path.Combine(Locations.Shared, "data", "webvid-sample");
        File.Copy(Path.Combine(source, "results_2M_val.csv"), _folder.File("results.csv"));
        using VideoTextCorpus corpus = Open("results.csv", Path.Combine(source, "videos"));
        Assert.Equal(9, corpus.Count);
        Assert.Equal("Horse grazing - seperated on green screen", corpus[1].Captions[0]);
    }

    private VideoTextCorpus Open(string annotations, string media, Func<CorpusConfig, CorpusConfig>? change = null)
    {
        CorpusConfig config = new() { Name = "test", Annotations = annotations, Media = media };
        return VideoTextCorpus.Open(change is null ? config : change(config), _folder.Path);
    }

    private string[] Indexes() => Directory.GetFiles(_folder.File(".alpro-index"));

    private static DateTime Mark(string path)
    {
        File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        return File.GetLastWriteTimeUtc(path);
    }

    private static IEnumerable<string> Captions(VideoTextCorpus corpus) => Enumerable.Range(0,
        (int)corpus.Count).Select(i => corpus[i].Captions[0]);

    private void Write(string name, string text) => File.WriteAllText(_folder.File(name), text);

    private void Media(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
            File.WriteAllText(_folder.File(name), "x");
        }
    }
}
