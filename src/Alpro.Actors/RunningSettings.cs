using System.Globalization;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using Alpro.Data;
using Alpro.Training.Configuration;

namespace Alpro.Actors;

/// <summary>
/// Reads running settings (HOCON) as strictly as configurations are read. It refuses a key that nothing reads, and a value of the wrong
/// kind or out of range. It reports all of them at once, with the nearest valid spelling. What the shipped files name there is; <c>akka</c>
/// is Akka's own affair.
/// </summary>
public static class RunningSettings
{
    private const string Own = "alpro";

    /// <summary>What a value must be.</summary>
    private sealed record Rule(string Expected, Func<HoconValue, bool> Fits);

    private static readonly Rule _port = Whole(0, ushort.MaxValue), _time = new("a time above 0, such as 30s", IsTime),
        _text = new("a text", value => value.IsString()),
        _size = new("a size above 0, such as 10GB", value => value.IsString() && value.GetByteSize() > 0);

    private static readonly Dictionary<string, Rule> _rules = new()
    {
        ["alpro.decoders"] = new("auto, or a whole number from 0 on", value => IsText(value, "auto") || IsWhole(value, 0, int.MaxValue)),
        ["alpro.window"] = Whole(1),
        ["alpro.window-size"] = _size,
        ["alpro.prefetch"] = Whole(1),
        ["alpro.isolation"] = new("thread or process", value => IsText(value, "thread") || IsText(value, "process")),
        ["alpro.decode-deadline"] = _time,
        ["alpro.cache.folder"] = _text,
        ["alpro.cache.size"] = _size,
        ["alpro.store.deadline"] = _time,
        ["alpro.store.clips-per-decoder"] = Whole(1),
        ["alpro.lease-timeout"] = _time,
        ["alpro.stop-timeout"] = _time,
        ["alpro.attempts-per-clip"] = Whole(1),
        ["alpro.max-decoder-deaths-per-minute"] = Whole(0),
        ["alpro.evaluators"] = Whole(1),
        ["alpro.max-restarts"] = Whole(0),
        ["alpro.checkpoint.tries"] = Whole(1),
        ["alpro.checkpoint.back-off"] = _time,
        ["alpro.cluster.name"] = new("letters, digits, - and _", value => value.IsString() && IsName(value.GetString())),
        ["alpro.cluster.host"] = _text,
        ["alpro.cluster.bind"] = _text,
        ["alpro.cluster.ports.coordinator"] = _port,
        ["alpro.cluster.ports.trainer"] = _port,
        ["alpro.cluster.ports.data"] = _port,
        ["alpro.cluster.ports.ring"] = _port,
        ["alpro.cluster.ports.decoder"] = _port,
        ["alpro.cluster.ports.evaluator"] = _port,
        ["alpro.cluster.ports.packer"] = _port,
        ["alpro.cluster.ports.indexer"] = _port,
        ["alpro.cluster.ports.encoder"] = _port,
        ["alpro.cluster.seeds"] = new("a list of nodes, [\"host:port\", …]",
        value => value.IsArray() && value.GetStringList() is { Count: > 0 } seeds && seeds.All(IsSeed)),
        ["alpro.cluster.stable-after"] = _time,
        ["alpro.cluster.certificates"] = _text,
    };

    /// <summary>A file of running settings that lies beside the program.</summary>
    public static string ConfFile(string name) => Path.Combine(AppContext.BaseDirectory, "hocon", name);

    /// <summary>Reads a file.</summary>
    /// <exception cref="UsageException">There is no such file, or it is not HOCON.</exception>
    /// <exception cref="ConfigException">Settings in it are not, or have values that cannot be used.</exception>
    public static Config Load(string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"{file}: there is no such file; expected the running settings in HOCON (see hocon/alpro.conf)");
        Config settings;
        try
        {
            settings = ConfigurationFactory.ParseString(File.ReadAllText(file));
        }
        catch (FormatException exception)
        {
            throw new UsageException($"{file}: not HOCON: {exception.Message}");
        }
        var problems = new List<ConfigProblem>();
        Check(settings.Root, "", Shipped(), problems);
        return problems.Count == 0 ? settings : throw new ConfigException(file, problems);
    }

    /// <summary>Whether a text can be the name of a cluster.</summary>
    internal static bool IsName(string text) => text.Length > 0 && char.IsAsciiLetterOrDigit(text[0])
        && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    /// <summary>Whether a text names a node, as <c>host:port</c>.</summary>
    internal static bool IsSeed(string text) =>
        text.LastIndexOf(':') is > 0 and var colon && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture,
        out int port) && port is > 0 and <= ushort.MaxValue;

    /// <summary>Settings of the shipped files about which there is no rule: a test sees that there are none.</summary>
    internal static IEnumerable<string> WithoutRule() => Leaves(Shipped(),
        "").Where(path => path.StartsWith(Own + ".", StringComparison.Ordinal) && !_rules.ContainsKey(path));

    private static HoconValue Shipped() => Config.Empty.WithFallback(ConfigurationFactory.ParseString(
        File.ReadAllText(ConfFile("alpro.conf")) + Environment.NewLine + File.ReadAllText(ConfFile("cluster.conf")))).Root;

    private static void Check(HoconValue value, string path, HoconValue known, List<ConfigProblem> problems)
    {
        if (!known.IsObject())
        {
            if (_rules.TryGetValue(path, out Rule? rule) && !Fits(rule, value))
                problems.Add(new(path, null, $"is {Show(value)}; expected {rule.Expected}"));
            return;
        }
        if (!value.IsObject())
        {
            if (path.Length > 0) problems.Add(new(path, null, $"is {Show(value)}; expected settings {{ … }}"));
            return;                                                  // or the file is empty
        }
        IReadOnlyDictionary<string, HoconValue> settings = known.GetObject().Items;
        foreach ((string key, HoconValue item) in value.GetObject().Items)
        {
            string at = path.Length == 0 ? key : $"{path}.{key}";
            if (at != "akka" && !at.EndsWith("-dispatcher", StringComparison.Ordinal))
            {
                if (settings.TryGetValue(key, out HoconValue? setting)) Check(item, at, setting, problems);
                else problems.Add(new(at, null, $"is not a setting; {Advice(key, settings.Keys)}"));
            }
        }
    }

    private static string Advice(string key, IEnumerable<string> known) =>
        Spelling.Nearest(key, known) is { } nearest ? $"did you mean \"{nearest}\"?" : $"there are {string.Join(", ", known)}";

    private static bool Fits(Rule rule, HoconValue value)
    {
        try
        {
            return rule.Fits(value);
        }
        catch (Exception exception) when (exception is FormatException or OverflowException)
        {
            return false;
        }
    }

    private static Rule Whole(int least, int most = int.MaxValue) =>
        new(most == int.MaxValue ? $"a whole number from {least} on" : $"a whole number from {least} to {most}",
        value => IsWhole(value, least, most));

    private static bool IsWhole(HoconValue value, int least, int most) =>
        value.IsString() && int.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
        && number >= least && number <= most;

    private static bool IsTime(HoconValue value) => value.IsString() && value.GetTimeSpan(allowInfinite: false) > TimeSpan.Zero;

    private static bool IsText(HoconValue value, string text) => value.IsString() && value.GetString() == text;

    private static string Show(HoconValue value) => value.IsString() ? $"\"{value.GetString()}\"" : value.IsArray() ? "a list"
        : "settings { … }";

    private static IEnumerable<string> Leaves(HoconValue value, string path) => !value.IsObject() ? [path]
        : value.GetObject().Items.SelectMany(item => Leaves(item.Value, path.Length == 0 ? item.Key : $"{path}.{item.Key}"));
}
