using System.CommandLine;
using Alpro.Actors;

namespace Alpro.Cli.Commands;

/// <summary>The options of the commands that carry out a run.</summary>
internal static class RunOptions
{
    /// <summary>The option that sets the number of decoders.</summary>
    public static Option<int?> Decoders() =>
        CommandLine.Between(new Option<int?>("--decoders") { Description =
        "Decoder actors, in place of alpro.decoders in the running settings." }, 0);

    /// <summary>The settings with that many decoders, where a number is given.</summary>
    public static Func<ActorSettings, ActorSettings> With(int? decoders) =>
        settings => decoders is { } count ? settings with { Decoders = count, SharesCores = false } : settings;

    /// <summary>The option that names the running settings.</summary>
    public static Option<string?> Hocon() => new("--hocon") { Description = "Running settings in HOCON, in place of hocon/alpro.conf." };
}
