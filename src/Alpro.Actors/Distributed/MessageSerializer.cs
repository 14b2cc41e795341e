using System.Runtime.Serialization;
using System.Text.Json;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Distributed.Work;

namespace Alpro.Actors.Distributed;

/// <summary>
/// Writes and reads the messages between nodes. Each has a manifest with its version. The serializer refuses a name that is not in the
/// table, so what comes off the wire can become only one of these records. A message whose fields change gets the next version.
/// </summary>
internal sealed class MessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerOptions.Strict) { MaxDepth = 8 };

    private static readonly Dictionary<string, Type> _types = new()
    {
        ["offer-1"] = typeof(TrainerGate.Offer),
        ["welcome-1"] = typeof(DecoderNodeLink.Welcome),
        ["refused-1"] = typeof(DecoderNodeLink.Refused),
        ["grant-1"] = typeof(DecoderNodeLink.Grant),
        ["unreadable-1"] = typeof(TrainerLink.Unreadable),
        ["died-1"] = typeof(TrainerLink.DecoderDied),
        ["report-2"] = typeof(GroupKeeper.Report),
        ["ended-1"] = typeof(GroupKeeper.Ended),
        ["form-2"] = typeof(GroupMember.Form),
        ["disband-1"] = typeof(GroupMember.Disband),
        ["stop-1"] = typeof(GroupMember.StopRun),
        ["await-1"] = typeof(GroupMember.AwaitOthers),
        ["worked-1"] = typeof(TrainerLink.Worked),
        ["retire-1"] = typeof(TrainerLink.Retire),
        ["work-offer-1"] = typeof(WorkGate.Offer),
        ["work-welcome-1"] = typeof(WorkLink.Welcome),
    };

    private static readonly Dictionary<Type, string> _manifests = _types.ToDictionary(entry => entry.Value, entry => entry.Key);

    /// <inheritdoc/>
    public override int Identifier => 1001;                          // numbers up to 40 are Akka's own

    /// <inheritdoc/>
    public override string Manifest(object o) => _manifests.TryGetValue(o.GetType(), out string? manifest)
        ? manifest
        :
        throw new SerializationException(
        $"{o.GetType()} is no message between nodes: it is not in the table of {nameof(MessageSerializer)}");

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), _json);

    /// <inheritdoc/>
    /// <exception cref="SerializationException">The manifest is unknown, or the bytes are not what it says.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!_types.TryGetValue(manifest, out Type? type))
            throw new SerializationException($"message \"{manifest}\" refused: this version knows {string.Join(", ", _types.Keys)}");
        try
        {
            return JsonSerializer.Deserialize(bytes, type, _json)!;
        }
        catch (JsonException exception)
        {
            throw new SerializationException($"message \"{manifest}\" refused: {exception.Message}", exception);
        }
    }
}

/// <summary>
/// Stands where Akka has its JSON serializer, which makes objects of any type that the bytes name: nothing leaves or enters through it.
/// </summary>
/// <param name="system">The actor system.</param>
/// <param name="settings">The settings of the serializer it replaces; Akka hands them over, nothing is read from them.</param>
#pragma warning disable CS9113                                         // Akka looks for a constructor with these two
internal sealed class RefuseSerializer(ExtendedActorSystem system, Config settings) : Serializer(system)
#pragma warning restore CS9113
{
    /// <inheritdoc/>
    public override int Identifier => 1;

    /// <inheritdoc/>
    public override bool IncludeManifest => true;

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is no message between nodes: it does not implement {nameof(IWireMessage)}");

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("a message in Akka's JSON, which names types, was refused");
}
