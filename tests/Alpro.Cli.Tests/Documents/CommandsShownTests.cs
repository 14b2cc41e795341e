using System.CommandLine;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Pipeline;
using Alpro.Chaos;
using Alpro.Cli.Commands;
using Alpro.Model;
using Alpro.Training.Configuration;

namespace Alpro.Cli.Tests.Documents;

/// <summary>What the pages show of commands, settings and files is what the program has.</summary>
public sealed partial class CommandsShownTests
{
    /// <summary>Commands of the system that a page may show.</summary>
    private static readonly string[] _others = ["alias", "cp", "curl", "git", "ln", "ls", "mkdir", "scp", "tail", "tar", "unzip"];

    /// <summary>A configuration that a page has the reader make.</summary>
    private const string OnesOwn = "config/mine.json";

    /// <summary>Names of others that look like types of ours.</summary>
    private static readonly string[] _foreign = ["ActorSystem", "LayerNorm", "OrderedDict", "TorchBackend", "VectorStoreCollection"];

    private static readonly RootCommand _root = AlproCommand.Create();

    private static readonly Config _running = ConfigurationFactory.ParseString(
        string.Join('\n', Directory.GetFiles(InRoot("hocon"), "*.conf").Select(File.ReadAllText)));

    [Fact]
    public void Commands_in_blocks_are_understood() => Document.None(
        from page in Document.All
        from block in page.Blocks
        where block.Language == "sh"
        from command in ShellWords.CommandsOf(block.Text)
        from problem in ProblemsOf(command)
        select $"{page}, line {block.Line}: {string.Join(' ', command)}: {problem}");

    [Fact]
    public void Commands_and_options_in_the_text_exist() => Document.None(
        from page in Document.All
        from span in page.Spans
        from problem in ProblemsOf(span)
        select $"{page}: `{span}`: {problem}");

    [Fact]
    public void The_table_of_the_readme_has_all_commands()
    {
        Document readme = Document.All.Single(page => page.Name == "README.md");
        HashSet<string> shown =
            [.. from span in readme.Spans where span.StartsWith("alpro ", StringComparison.Ordinal) select span.Split(' ')[1]];
        Document.None(_root.Subcommands.Where(command => !command.Hidden && !shown.Contains(command.Name)).Select(command => command.Name));
    }

    [Fact]
    public void Types_named_in_the_text_exist()
    {
        string[] projects = ["Alpro.Data", "Alpro.Model", "Alpro.Training", "Alpro.Actors", "Alpro.Web", "alpro"];
        HashSet<string> known = [.. _foreign];
        foreach (Type type in projects.SelectMany(project => Assembly.Load(project).GetTypes()))
        {
            known.Add(type.Name.Split('`')[0]);
            if (type.IsEnum) known.UnionWith(Enum.GetNames(type));
        }
        foreach (string tests in Directory.EnumerateFiles(InRoot("tests"), "*Tests.cs", SearchOption.AllDirectories))
            known.Add(Path.GetFileNameWithoutExtension(tests));
        Document.None(from page in Document.All
                      from name in Names(page)
                      where !known.Contains(name.Split('.')[0])
                      select $"{page}: there is no type {name}");

        static IEnumerable<string> Names(Document page)
        {
            IEnumerable<CodeBlock> diagrams = page.Blocks.Where(block => block.Language is "" or "mermaid");
            IEnumerable<string> drawn = diagrams.SelectMany(diagram => Word().Matches(diagram.Text)).Select(word => word.Value);
            return page.Spans.Where(span => TypeName().IsMatch(span)).Concat(drawn);
        }
    }

    [Fact]
    public void Configurations_and_running_settings_in_blocks_bind()
    {
        using var folder = new TemporaryFolder();
        foreach ((Document page, CodeBlock block) in Document.All.SelectMany(page => page.Blocks.Select(block => (page, block))))
        {
            string file = folder.File($"{page.Name.Replace('/', '-')}-{block.Line}");
            File.WriteAllText(file, block.Text);
            if (block.Info == "json config") ConfigLoader.LoadForSizes(file);
            else if (block.Language == "json") using (JsonDocument.Parse(block.Text)) { }
            else if (block.Language == "hocon") RunningSettings.Load(file);
        }
    }

    [Theory]
    [InlineData("scripts/alpro pretrain --confg config/pretrain.json --out output", "--confg")]
    [InlineData("scripts/alpro pretrain --config config/pretrain.json", "--out")]
    [InlineData("scripts/alpro doctor --config config/nowhere.json", "config/nowhere.json")]
    [InlineData("scripts/demo && scripts/alpro config check config/pretrain.json --set trainig.steps=3", "trainig.steps")]
    [InlineData("scripts/cluster up --config F \\\n  --decoder 2", "--decoder")]
    [InlineData("dotnet run -c Release --project tests/Alpro.Benchmarks -- stepp 3", "stepp")]
    [InlineData("ALPRO_NO_APT=1 scripts/nowhere 'a # b'  # a comment", "no such script")]
    public void A_command_that_is_wrong_is_noticed(string block, string problem) =>
        Assert.Contains(problem, Assert.Single(ShellWords.CommandsOf(block).SelectMany(ProblemsOf)), StringComparison.Ordinal);

    [Theory]
    [InlineData("alpro pretrein --config F")]
    [InlineData("alpro evaluate --watsh")]
    [InlineData("training.batchsize")]
    [InlineData("data.corpora[0].annotation=x")]
    [InlineData("alpro.decoder = 4")]
    [InlineData("Kitchen/")]
    public void A_name_in_the_text_that_is_wrong_is_noticed(string span) => Assert.Single(ProblemsOf(span));

    /// <summary>What is wrong with a command of a block, which may be pasted as it is.</summary>
    private static IEnumerable<string> ProblemsOf(string[] command)
    {
        string[] words = [.. command.SkipWhile(word => Variable().IsMatch(word))];
        string[] arguments = words.Length == 0 ? [] : words[1..];
        if (words is [] or ["cd", ..]) return [];
        if (words[0] == "scripts/alpro") return ParseResultOf(arguments).Concat(SettingsOf(arguments));
        if (Script().IsMatch(words[0])) return ProblemsOfScript(words[0], arguments).Concat(SettingsOf(arguments));
        if (words[0] == "dotnet") return ProblemsOfDotnet(arguments);
        return _others.Contains(words[0]) || File.Exists(InRoot(words[0])) ? [] : ["not a command that a page may show"];
    }

    private static IEnumerable<string> ParseResultOf(string[] arguments)
    {
        foreach (string problem in ParseProblems.Of(_root.Parse(arguments))) yield return problem;
        foreach (string file in arguments.Where(word => word.StartsWith("config/", StringComparison.Ordinal) && word != OnesOwn))
            if (!File.Exists(InRoot(file))) yield return $"there is no {file}";
    }

    private static IEnumerable<string> SettingsOf(string[] arguments) =>
        from option in Enumerable.Range(0, arguments.Length)
        where arguments[option] == "--set" && !IsSetting(arguments[option + 1].Split('=')[0])
        select $"{arguments[option + 1]} is not a setting";

    private static IEnumerable<string> ProblemsOfScript(string script, string[] arguments)
    {
        string file = InRoot(script);
        if (!File.Exists(file)) return ["there is no such script"];
        string text = File.ReadAllText(file);
        return from word in arguments
               where word.StartsWith("--", StringComparison.Ordinal) && !Regex.IsMatch(text, $@"{Regex.Escape(word)}(?![\w-])")
                   && !text.Contains("\"$@\"", StringComparison.Ordinal)
               select $"the script knows no {word}";
    }

    private static IEnumerable<string> ProblemsOfDotnet(string[] arguments)
    {
        string project = After("--project"), name = After("--"), program = InRoot($"{project}/Program.cs");
        if (!File.Exists(program)) return [$"there is no project {project}"];
        bool known = name == "" || File.ReadAllText(program).Contains($"[\"{name}\"]", StringComparison.Ordinal);
        return known ? [] : [$"{project} knows no {name}"];

        string After(string option) => arguments.SkipWhile(word => word != option).Skip(1).FirstOrDefault("");
    }

    /// <summary>Whether a folder of the source has that name.</summary>
    private static bool IsRoom(string name) => Directory.EnumerateDirectories(InRoot("src"), "*", SearchOption.AllDirectories)
        .Any(folder => $"{folder}/".EndsWith($"/{name}", StringComparison.Ordinal));

    /// <summary>What is wrong with a short piece of code: it may have places to fill in, but what it names exists.</summary>
    private static IEnumerable<string> ProblemsOf(string span)
    {
        string[] words = span.Split(' ');
        if (words[0] is "alpro" or "scripts/alpro" && words.Length > 1)
        {
            Command command = _root;
            int at = 1;
            for (; at < words.Length && command.Subcommands.FirstOrDefault(sub => sub.Name == words[at]) is { } sub; at++) command = sub;
            if (command == _root && !words[1].StartsWith("--", StringComparison.Ordinal)) return ["there is no such command"];
            IEnumerable<string> options = command.Options.Concat(_root.Options).Select(option => option.Name).Append("--help");
            return from word in words[at..].Select(word => word.Trim('[', ']', ','))
                   where word.StartsWith("--", StringComparison.Ordinal) && !options.Contains(word)
                   select $"there is no {word}";
        }
        if (Script().IsMatch(words[0])) return ProblemsOfScript(words[0], [.. words[1..].Select(word => word.Trim('[', ']'))]);
        if (Room().IsMatch(span)) return IsRoom(span) ? [] : ["there is no such folder"];
        if (words is ["--set", var setting, ..] && !IsSetting(setting.Split('=')[0])) return ["it is not a setting"];
        if (Setting().IsMatch(span) && !IsSetting(span.Split('=')[0])) return ["it is not a setting"];
        return Running().IsMatch(span) && !_running.HasPath(span.Split(' ')[0]) && !MetricsPageTests.Names.Contains(span)
            ? ["it is neither a running setting nor an instrument"] : [];
    }

    /// <summary>Whether a configuration may have a value there, such as <c>data.corpora[0].name</c>.</summary>
    private static bool IsSetting(string path)
    {
        JsonTypeInfo type = ConfigLoader.Json.GetTypeInfo(typeof(RunConfig));
        foreach (string key in path.Replace("[", ".[", StringComparison.Ordinal).Split('.'))
        {
            Type? inner = key[0] == '[' ? type.ElementType : type.Properties.FirstOrDefault(property => property.Name == key)?.PropertyType;
            if (inner is null) return false;
            type = ConfigLoader.Json.GetTypeInfo(inner);
        }
        return true;
    }

    private static string InRoot(string path) => Path.Combine(Locations.Root, path);

    [GeneratedRegex("^([A-Z][A-Za-z]+/)+$")]
    private static partial Regex Room();

    [GeneratedRegex("^scripts/.")]
    private static partial Regex Script();

    /// <summary>Names of at least two words: <c>ClipCoordinator</c>, <c>TimeSformer.Forward</c>.</summary>
    [GeneratedRegex(@"^[A-Z][a-z0-9]+([A-Z][A-Za-z0-9]*)+(\.[A-Z]\w+)?$")]
    private static partial Regex TypeName();

    /// <summary>Such a name in a diagram.</summary>
    [GeneratedRegex(@"\b[A-Z][a-z0-9]+([A-Z][a-z0-9]+)+\b")]
    private static partial Regex Word();

    [GeneratedRegex("^[A-Za-z_]+=")]
    private static partial Regex Variable();

    [GeneratedRegex(@"^(model|data|optimizer|schedule|training|losses|initialize|evaluation)(\.[A-Za-z0-9]+|\[\d*\])+(?<!\.jsonl)(=.*)?$")]
    private static partial Regex Setting();

    [GeneratedRegex(@"^alpro\.[a-z-]+(\.[a-z-]+)*( = .*)?$")]
    private static partial Regex Running();
}
