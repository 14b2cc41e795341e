using Akka.Configuration;

namespace Alpro.Actors.Tests;

public sealed class ActorSettingsTests
{
    [Fact]
    public void Trainers_on_one_host_share_its_cores_unless_the_number_of_decoders_is_given()
    {
        Config hocon = ConfigurationFactory.ParseString(File.ReadAllText(RunningSettings.ConfFile("alpro.conf")));
        ActorSettings auto = ActorSettings.From(hocon) with { Decoders = 16 };
        Assert.Equal((16, 8, 5, 1), (auto.DecodersBeside(1), auto.DecodersBeside(2), auto.DecodersBeside(3), auto.DecodersBeside(20)));
        ActorSettings given = ActorSettings.From(ConfigurationFactory.ParseString("alpro.decoders = 6").WithFallback(hocon));
        Assert.Equal(6, given.DecodersBeside(2));
    }
}
