using Alpro.Training.Configuration;

namespace Alpro.Actors.Tests;

/// <summary>Running settings are read as strictly as configurations.</summary>
public sealed class RunningSettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Problems(string text)
    {
        File.WriteAllText(_folder.File("my.conf"), text);
        return Assert.Throws<ConfigException>(() => RunningSettings.Load(_folder.File("my.conf"))).Message.Replace(_folder.Path + "/", "",
            StringComparison.Ordinal).ReplaceLineEndings("\n");
    }

    [Fact]
    public void Everything_that_is_wrong_is_named_at_once() => Assert.Equal(
        """
        my.conf: 9 problems
          alpro.window: is "0"; expected a whole number from 1 on
          alpro.windw: is not a setting; did you mean "window"?
          alpro.isolation: is "proces"; expected thread or process
          alpro.decoders: is "many"; expected auto, or a whole number from 0 on
          alpro.lease-timeout: is "soon"; expected a time above 0, such as 30s
          alpro.checkpoint: is "5"; expected settings { … }
          alpro.cluster.ports.data: is "70000"; expected a whole number from 0 to 65535
          alpro.cluster.seeds: is a list; expected a list of nodes, ["host:port", …]
          alrpo: is not a setting; did you mean "alpro"?
        """, Problems("""
        alpro {
          window = 0
          windw = 9
          isolation = proces
          decoders = many
          lease-timeout = soon
          checkpoint = 5
          cluster {
            ports { data = 70000 }
            seeds = ["host"]
          }
        }
        alrpo { window = 2 }
        """));

    [Fact]
    public void What_is_right_is_read_and_what_belongs_to_akka_let_through()
    {
        File.WriteAllText(_folder.File("my.conf"), "alpro.window = 9\nalpro.cluster.seeds = [\"a:4053\", \"b:4053\"]\nakka.loglevel = "
            + "INFO\nmy-dispatcher { type = PinnedDispatcher }");
        Assert.Equal(9, RunningSettings.Load(_folder.File("my.conf")).GetInt("alpro.window"));
        File.WriteAllText(_folder.File("my.conf"), "# nothing\n");
        RunningSettings.Load(_folder.File("my.conf"));
        RunningSettings.Load(RunningSettings.ConfFile("alpro.conf"));
        RunningSettings.Load(RunningSettings.ConfFile("cluster.conf"));
    }

    [Fact]
    public void There_is_a_rule_for_every_setting() => Assert.Empty(RunningSettings.WithoutRule());
}
