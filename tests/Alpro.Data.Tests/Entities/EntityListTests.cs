using Alpro.Data.Corpora;
using Alpro.Data.Entities;
using Alpro.Data.Sampling;
using Alpro.Data.Synthetic;

namespace Alpro.Data.Tests.Entities;

public sealed class EntityListTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_commonest_nouns_come_first_singular_and_plural_together()
    {
        using VideoTextCorpus corpus = Corpus("Two dogs are running quickly on the beach", "A Dog's ball, beautiful beaches",
            "The dog is sleeping; women and a woman walked", "dog");
        Assert.Equal([new("dog", 4), new("beach", 2), new("woman", 2), new("ball", 1)], EntityList.Build([corpus], 4, new NounLexicon()));
    }

    [Fact]
    public void A_noun_database_decides_where_there_is_one()
    {
        File.WriteAllText(_folder.File("index.noun"), "  1 This line is the licence\nrun n 16 1 @ 16 9 1 2\ndog n 7 5 @ ~ #m 7 1 2\nbe n 1 "
            + "1 @ 1 0 1\nox n 2 1 @ 2 0 1\nlily n 3 1 @ 3 0 1\nyoung n 6 1 @ 6 0 1\ntree n 3 1 @ 3 3 1\nwalk n 9 1 @ 9 1 1\nice_cream n 1 "
            + "1 @ 1 0 1\n");
        File.WriteAllText(_folder.File("index.verb"), "run v 41 1 @ 41 0 1\nbe v 13 1 @ 13 0 1\ndog v 1 1 @ 1 0 1\n");
        File.WriteAllText(_folder.File("index.adj"), "young a 5 1 & 5 0 1\n");
        File.AppendAllText(_folder.File("index.verb"), "tree v 4 1 @ 4 0 1\nwalk v 8 1 @ 8 5 1\n");
        File.WriteAllText(_folder.File("cntlist.rev"),
            "tree%1:20:00:: 1 21\ntree%2:35:00:: 1 1\nwalk%1:04:00:: 1 4\nwalk%2:38:00:: 1 200\nyoung%5:00:00:new:00 1 3\n");
        File.WriteAllText(_folder.File("noun.exc"), "oxen ox\n");
        var lexicon = new NounLexicon(_folder.Path);
        Assert.True(lexicon.HasDatabase);
        using VideoTextCorpus corpus = Corpus("young oxen run", "dogs be dogs", "a lily and an ox", "strange word",
            "walk tree, walk trees");
        Assert.Equal([new("dog", 2), new("ox", 2), new("tree", 2), new("lily", 1)], EntityList.Build([corpus], 4, lexicon));
        Assert.Contains("has no index.noun", Assert.Throws<DataException>(() => new NounLexicon(_folder.File("v"))).Message);
    }

    [Fact]
    public void Words_that_can_be_nouns_follow_where_nouns_are_too_few()
    {
        using VideoTextCorpus corpus = Corpus("a white dog", "a white dog, black dogs", "the dog sleeping quickly");
        Assert.Equal([new("dog", 4)], EntityList.Build([corpus], 1, new NounLexicon()));
        Assert.Equal([new("dog", 4), new("white", 2), new("black", 1)], EntityList.Build([corpus], 3, new NounLexicon()));
    }

    [Fact]
    public void The_captions_of_the_synthetic_world_have_the_entities_that_the_demo_wants()
    {
        SeededRandom random = SeededRandom.For(1, RandomPurpose.Caption);
        var captions = new List<string>();
        for (int i = 0; i < 1000; i++)
            captions.Add(SyntheticScene.From(i % SyntheticScene.Combinations, i % SyntheticScene.Looks).Caption(ref random));
        using VideoTextCorpus corpus = Corpus([.. captions]);
        IEnumerable<string> names = EntityList.Build([corpus], 15, new NounLexicon()).Select(entity => entity.Name);
        Assert.Empty(SyntheticScene.Shapes.Except(names));
    }

    [Fact]
    public void Fewer_nouns_than_wanted_are_refused()
    {
        using VideoTextCorpus corpus = Corpus("a dog");
        Assert.Equal("The captions hold 1 different nouns, fewer than the 5 entities wanted. Ask for fewer, or use a larger corpus.",
            Assert.Throws<DataException>(() => EntityList.Build([corpus], 5, new NounLexicon())).Message);
    }

    [Fact]
    public void A_file_gives_the_first_word_of_each_line()
    {
        string path = _folder.File("entities.txt");
        EntityList.Save(path, [new Entity("dog", 10), new Entity("beach", 7), new Entity("ball", 2)]);
        Assert.Equal("dog 10\nbeach 7\nball 2\n", File.ReadAllText(path));
        Assert.Equal(["dog", "beach"], EntityList.Load(path, 2));
        Assert.Equal($"{path} has 3 entities, fewer than the 4 that are asked for (model.entities).",
            Assert.Throws<DataException>(() => EntityList.Load(path, 4)).Message);
        File.AppendAllText(path, "\ndog 1\n");
        Assert.Equal($"{path} names \"dog\" twice among its first 4 entities.",
            Assert.Throws<DataException>(() => EntityList.Load(path, 4)).Message);
        Assert.Contains("\"alpro entities\" makes one",
            Assert.Throws<DataException>(() => EntityList.Load(_folder.File("none.txt"), 1)).Message);
    }

    private VideoTextCorpus Corpus(params string[] captions)
    {
        Directory.CreateDirectory(_folder.File("v"));
        File.WriteAllLines(_folder.File("a.csv"), captions.Select((caption, i) => $"{i},\"{caption}\"").Prepend("videoid,name"));
        return VideoTextCorpus.Open(new CorpusConfig { Name = "test", Annotations = "a.csv", Media = "v", Missing = MissingMedia.Lazy },
            _folder.Path);
    }
}
