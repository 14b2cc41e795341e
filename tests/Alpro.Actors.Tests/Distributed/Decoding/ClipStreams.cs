using Alpro.Actors.Distributed.Decoding;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>Clips over connections, for tests that wait for them.</summary>
internal static class ClipStreams
{
    public static void Send(this ClipSender sender, Clip clip) => sender.SendAsync(clip).GetAwaiter().GetResult();

    public static Clip? Receive(this ClipReceiver receiver, Func<ClipRequest, bool> wanted) =>
        receiver.ReceiveAsync(wanted).GetAwaiter().GetResult();
}
