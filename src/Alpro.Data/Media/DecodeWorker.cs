using System.Text;
using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>
/// The other end of <see cref="IsolatedFrameReader"/>, which the command line runs as <c>alpro decode-worker</c>. It reads requests from a
/// stream and answers them. The stream ends, and it with it, when the process that asks is gone.
/// </summary>
/// <remarks>
/// Numbers are little-endian, texts are UTF-8 with their length before them. First come the limits: deadline in ticks, pixels, packets, and
/// the five values of <see cref="PlaceSettings"/>. The answer is <see cref="Ready"/>. Then any number of requests:
/// <list type="bullet">
/// <item>
/// <see cref="OpenRequest"/> and a <see cref="MediaSource"/>; the answer is <see cref="Done"/> and the five values of
/// <see cref="VideoInfo"/>.
/// </item>
/// <item><see cref="FetchRequest"/>, count, indices; the answer is <see cref="Done"/>.</item>
/// <item><see cref="KeyFramesRequest"/>; the answer is <see cref="Done"/>, count, frame numbers.</item>
/// <item><see cref="ReadRequest"/>, count, width, height, filter, indices; the answer is <see cref="Done"/> and the pixels.</item>
/// </list>
/// Each may be answered by <see cref="Refused"/>, the reason and the message of an <see cref="UnreadableClipException"/> instead. Before
/// an answer there may be news of stores: one of the three bytes for it, store or folder, reason, ticks.
/// </remarks>
internal static class DecodeWorker
{
    /// <summary>The command of the command line that runs a worker.</summary>
    public const string CommandName = "decode-worker";

    internal const byte Ready = 1, Done = 2, Refused = 3, OpenRequest = 4, ReadRequest = 5, FetchRequest = 6, KeyFramesRequest = 7;

    private const byte Away = 7, Back = 8, Unwritable = 9;

    /// <summary>Answers requests until the input ends.</summary>
    public static void Run(Stream input, Stream output)
    {
        using var requests = new BinaryReader(input, Encoding.UTF8, leaveOpen: true);
        using var answers = new BinaryWriter(output, Encoding.UTF8, leaveOpen: true);
        var limits = new DecodeLimits
        {
            Deadline = new TimeSpan(requests.ReadInt64()),
            MaxPixels = requests.ReadInt64(),
            MaxPackets = requests.ReadInt64(),
            Places = new PlaceSettings
            {
                CacheFolder = requests.ReadString() is { Length: > 0 } folder ? folder : null,
                CacheSize = requests.ReadInt64(),
                Deadline = new TimeSpan(requests.ReadInt64()),
                TryTime = new TimeSpan(requests.ReadInt64()),
                BackOff = new TimeSpan(requests.ReadInt64()),
            },
        };
        using IFrameReader reader = FrameReaders.CreateOnce(limits);
        StoreNews.Away = (store, reason, lasted) => Tell(Away, store, reason, lasted);
        StoreNews.Back = (store, lasted) => Tell(Back, store, "", lasted);
        StoreNews.Unwritable = (folder, reason) => Tell(Unwritable, folder, reason, default);
        answers.Write(Ready);
        answers.Flush();

        byte[] pixels = [];
        for (int request; (request = input.ReadByte()) >= 0; answers.Flush())
        {
            try
            {
                if (request == OpenRequest)
                {
                    VideoInfo info = reader.Open(MediaSource.Read(requests));
                    answers.Write(Done);
                    answers.Write(info.FrameCount);
                    answers.Write(info.FrameRate);
                    answers.Write(info.Width);
                    answers.Write(info.Height);
                    answers.Write(info.Rotation);
                }
                else if (request == FetchRequest)
                {
                    reader.Fetch(ReadIndices(requests, requests.ReadInt32()));
                    answers.Write(Done);
                }
                else if (request == KeyFramesRequest)
                {
                    IReadOnlyList<int> frames = reader.KeyFrames();
                    answers.Write(Done);
                    answers.Write(frames.Count);
                    foreach (int frame in frames) answers.Write(frame);
                }
                else
                {
                    int count = requests.ReadInt32(), width = requests.ReadInt32(), height = requests.ReadInt32();
                    var filter = (ResizeFilter)requests.ReadInt32();
                    int[] indices = ReadIndices(requests, count);
                    int size = count * width * height * 3;
                    if (pixels.Length < size) pixels = new byte[size];
                    reader.Read(indices, width, height, filter, pixels.AsSpan(0, size));
                    answers.Write(Done);
                    answers.Write(pixels, 0, size);
                }
            }
            catch (UnreadableClipException exception)
            {
                answers.Write(Refused);
                answers.Write((int)exception.Reason);
                answers.Write(exception.Finding);
            }
        }

        // The thread that answers requests waits meanwhile for the store.
        void Tell(byte what, string where, string reason, TimeSpan lasted)
        {
            lock (answers)
            {
                answers.Write(what);
                answers.Write(where);
                answers.Write(reason);
                answers.Write(lasted.Ticks);
                answers.Flush();
            }
        }
    }

    /// <summary>Reads the byte with which an answer begins; news before it is passed on.</summary>
    internal static byte NextAnswer(BinaryReader answers)
    {
        while (true)
        {
            byte answer = answers.ReadByte();
            if (answer is not (Away or Back or Unwritable)) return answer;
            (string where, string reason, TimeSpan lasted) = (answers.ReadString(), answers.ReadString(), new(answers.ReadInt64()));
            if (answer == Away) StoreNews.SayAway(where, reason, lasted);
            else if (answer == Back) StoreNews.SayBack(where, lasted);
            else StoreNews.SayUnwritable(where, reason);
        }
    }

    private static int[] ReadIndices(BinaryReader requests, int count)
    {
        var indices = new int[count];
        for (int i = 0; i < count; i++) indices[i] = requests.ReadInt32();
        return indices;
    }
}
