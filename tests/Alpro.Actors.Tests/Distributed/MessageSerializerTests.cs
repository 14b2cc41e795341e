using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Pipeline;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Distributed;

/// <summary>What may cross from node to node, and that nothing else does.</summary>
public sealed class MessageSerializerTests : TestKit
{
    private static readonly ClipRequest _request = new(123_456_789_012, 3, 1, 2, 9_876_543_210, 17_000_000_000_000_000_001);

    private static readonly IWireMessage[] _messages =
    [
        new TrainerGate.Offer(4, new Dictionary<string, string> { ["data.clip"] = "{\"frames\":4}" }),
        new DecoderNodeLink.Welcome("host-a", 4153, DataPlane.NewToken()),
        new DecoderNodeLink.Refused("data.vocabulary: the run has A, the node B"),
        new DecoderNodeLink.Grant(_request),
        new TrainerLink.Unreadable(new Rejection(_request, "/videos/ü.mp4", RejectReason.Truncated, "ends at frame 3")),
        new TrainerLink.DecoderDied(_request),
        new GroupKeeper.Report("host-b:4253", 3, true, 12),
        new GroupKeeper.Ended(true),
        new GroupMember.Form(4, 1, ["host-a:4253", "host-b:4253"], true, ["host-a:4070", "host-b:4070"]),
        new GroupMember.Disband(4),
        GroupMember.StopRun.Instance,
        GroupMember.AwaitOthers.Instance,
        new TrainerLink.Worked(2, new(40, 1.5, 1.2, 0.1, 0.02)),
        TrainerLink.Retire.Instance,
        new WorkGate.Offer(4),
        new WorkLink.Welcome("host-a", 4153, [DataPlane.NewToken(), DataPlane.NewToken()]),
    ];

    private MessageSerializer Serializer => new((ExtendedActorSystem)Sys);

    public static TheoryData<string> Messages =>
        [.. typeof(IWireMessage).Assembly.GetTypes().Where(type => type.IsClass && type.IsAssignableTo(typeof(IWireMessage)))
        .Select(type => type.FullName!)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Every_message_between_nodes_arrives_as_it_was_sent(string type)
    {
        IWireMessage sent = Assert.Single(_messages, message => message.GetType().FullName == type);
        object got = Serializer.FromBinary(Serializer.ToBinary(sent), Serializer.Manifest(sent));
        Assert.Equal(sent.GetType(), got.GetType());
        Assert.Equivalent(sent, got, strict: true);
    }

    [Theory]
    [InlineData("grant-0")]
    [InlineData("System.IO.FileInfo, System.Private.CoreLib")]
    [InlineData("")]
    public void Unknown_manifest_is_refused(string manifest)
    {
        var refusal = Assert.Throws<SerializationException>(() => Serializer.FromBinary(Serializer.ToBinary(_messages[3]), manifest));
        Assert.Contains($"\"{manifest}\" refused", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"Request":{"Step":0,"Slot":0,"Attempt":0,"Corpus":0,"Row":0,"Seed":0},"$type":"System.IO.FileInfo"}""")]
    [InlineData("""{"Request":{"Step":0,"Slot":0,"Attempt":0,"Corpus":0,"Row":0,"Seed":0},"More":1}""")]
    [InlineData("""{"Request":null}""")]
    [InlineData("{}")]
    [InlineData("no JSON")]
    public void Bytes_that_are_not_the_message_are_refused(string json) =>
        Assert.Throws<SerializationException>(() => Serializer.FromBinary(Encoding.UTF8.GetBytes(json), "grant-1"));

    [Fact]
    public void Type_that_is_no_message_between_nodes_is_not_sent() =>
        Assert.Throws<SerializationException>(() => Serializer.Manifest(new TrainerLink.Make(_request)));

    [Fact]
    public void Nothing_enters_or_leaves_in_a_format_that_names_types()
    {
        var refuse = new RefuseSerializer((ExtendedActorSystem)Sys, Sys.Settings.Config);
        Assert.Throws<SerializationException>(() => refuse.ToBinary("text"));
        Assert.Throws<SerializationException>(() => refuse.FromBinary("{}"u8.ToArray(), typeof(FileInfo)));
    }
}
