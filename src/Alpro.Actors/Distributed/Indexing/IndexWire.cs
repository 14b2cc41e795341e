using System.Runtime.InteropServices;
using System.Text;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Search;
using Alpro.Data.Media;
using Alpro.Training.Search;

namespace Alpro.Actors.Distributed.Indexing;

/// <summary>A file as both ends know it: paths may differ.</summary>
/// <param name="Name">Its name below the folder, or in the corpus.</param>
/// <param name="Size">Bytes; 0 where that is not known.</param>
internal sealed record NamedFile(string Name, long Size);

/// <summary>What is asked of a node: the windows of a file, or what some become.</summary>
/// <param name="Files">The files, one for each window; one whose windows shall be found.</param>
/// <param name="Infos">What was found when they were opened; none for a file that shall be.</param>
/// <param name="Windows">The windows to encode; none where they shall be found.</param>
internal sealed record IndexAsk(IReadOnlyList<NamedFile> Files, IReadOnlyList<VideoInfo> Infos, IReadOnlyList<Window> Windows);

/// <summary>
/// What goes over the connection of one window encoder, in frames. The indexing process says its <see cref="IndexTerms"/>, and the node its
/// own. Then one ask after another comes, and each is answered.
/// </summary>
internal static class IndexWire
{
    private const int MostAsked = 16 << 20;
    private const byte Done = 1, Unreadable = 2;

    /// <summary>Asks.</summary>
    public static Task AskAsync(Stream stream, IndexAsk ask, CancellationToken stop) => SendAsync(stream, writer =>
    {
        writer.Write(ask.Files.Count);
        foreach (NamedFile file in ask.Files)
        {
            writer.Write(file.Name);
            writer.Write(file.Size);
        }
        writer.Write(ask.Windows.Count);
        foreach (VideoInfo info in ask.Infos) Write(writer, info);
        foreach (Window window in ask.Windows) Write(writer, window);
    }, stop);

    /// <summary>What is asked next; null where the other end has closed the connection.</summary>
    /// <exception cref="IOException">The connection is lost, or what came is nothing that can be asked.</exception>
    public static async Task<IndexAsk?> NextAsync(Stream stream, CancellationToken stop) =>
        await WireFrame.ReceiveOrEndAsync(stream, MostAsked, stop) is not { } frame ? null : Parse(frame, static reader =>
        {
            NamedFile[] files = [.. Many(reader.ReadInt32(), () => new NamedFile(reader.ReadString(), reader.ReadInt64()))];
            int windows = reader.ReadInt32();
            return new IndexAsk(files, [.. Many(windows, () => ReadInfo(reader))], [.. Many(windows, () => ReadWindow(reader))]);
        });

    /// <summary>Answers with what was found in a file.</summary>
    public static Task AnswerAsync(Stream stream, SurveyedFile survey, CancellationToken stop) => SendAsync(stream, writer =>
    {
        writer.Write(Done);
        Write(writer, survey.File.Info);
        writer.Write(survey.Windows.Count);
        foreach (Window window in survey.Windows) Write(writer, window);
    }, stop);

    /// <summary>Answers with what windows became.</summary>
    public static Task AnswerAsync(Stream stream, IReadOnlyList<EncodedWindow> made, CancellationToken stop) => SendAsync(stream, writer =>
    {
        writer.Write(Done);
        foreach (EncodedWindow window in made)
        {
            writer.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<Half>(window.Feature_F)));
            writer.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<Half>(window.Tokens_MD)));
            writer.Write(window.Thumbnail.Length);
            writer.Write(window.Thumbnail);
        }
    }, stop);

    /// <summary>Answers that a file cannot be read here, or a window of one.</summary>
    public static Task AnswerAsync(Stream stream, string problem, CancellationToken stop) => SendAsync(stream, writer =>
    {
        writer.Write(Unreadable);
        writer.Write(problem);
    }, stop);

    /// <summary>Waits for what was found in a file.</summary>
    /// <exception cref="UnreadableClipException">The node cannot read it.</exception>
    /// <exception cref="IOException">The connection is lost, or what came is no answer.</exception>
    public static Task<SurveyedFile> ReceiveAsync(Stream stream, IndexedFile file, CancellationToken stop) =>
        ReceiveAsync(stream, file.Media.Path, reader =>
        {
            VideoInfo info = ReadInfo(reader);
            return new SurveyedFile(file with { Info = info }, [.. Many(reader.ReadInt32(), () => ReadWindow(reader))]);
        }, stop);

    /// <summary>Waits for what windows became.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="path">The file of the first, for messages.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="terms">What has been agreed on.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="UnreadableClipException">The node cannot read one of them.</exception>
    /// <exception cref="IOException">The connection is lost, or what came is no answer.</exception>
    public static Task<EncodedWindow[]> ReceiveAsync(Stream stream, string path, int count, IndexTerms terms, CancellationToken stop) =>
        ReceiveAsync(stream, path, reader => Many(count, () => new EncodedWindow(Halves(reader, terms.Width),
            Halves(reader, terms.Tokens is [int tokens, int width] ? tokens * width : 0),
            Bytes(reader, reader.ReadInt32()))).ToArray(), stop);

    private static async Task<T> ReceiveAsync<T>(Stream stream, string path, Func<BinaryReader, T> read, CancellationToken stop) =>
        Parse(await WireFrame.ReceiveAsync(stream, WireFrame.MostBytes, stop), reader => reader.ReadByte() == Unreadable
            ? throw new UnreadableClipException(RejectReason.ReadError, path, reader.ReadString()) : read(reader));

    private static Task SendAsync(Stream stream, Action<BinaryWriter> write, CancellationToken stop)
    {
        using MemoryStream frame = new();
        using BinaryWriter writer = new(frame, Encoding.UTF8);
        write(writer);
        writer.Flush();
        return WireFrame.SendAsync(stream, frame.ToArray(), stop);
    }

    /// <summary>Reads all of a frame.</summary>
    private static T Parse<T>(byte[] frame, Func<BinaryReader, T> read)
    {
        try
        {
            using BinaryReader reader = new(new MemoryStream(frame), Encoding.UTF8);
            T value = read(reader);
            return reader.BaseStream.Position == frame.Length ? value
                : throw new IOException($"{frame.Length} bytes came; expected {reader.BaseStream.Position}");
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            throw new IOException($"what came cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>So many, read one after another: a count that is too large meets the end of the frame.</summary>
    private static List<T> Many<T>(int count, Func<T> read)
    {
        List<T> items = [];
        while (items.Count < count) items.Add(read());
        return items;
    }

    private static byte[] Bytes(BinaryReader reader, int count) => count <= reader.BaseStream.Length - reader.BaseStream.Position
        ? reader.ReadBytes(count) : throw new EndOfStreamException("what came ends too early");

    private static Half[] Halves(BinaryReader reader, int count) =>
        MemoryMarshal.Cast<byte, Half>(Bytes(reader, count * sizeof(short)).AsSpan()).ToArray();

    private static void Write(BinaryWriter writer, VideoInfo info)
    {
        writer.Write(info.FrameCount);
        writer.Write(info.FrameRate);
        writer.Write(info.Width);
        writer.Write(info.Height);
        writer.Write(info.Rotation);
    }

    private static VideoInfo ReadInfo(BinaryReader reader) =>
        new(reader.ReadInt32(), reader.ReadDouble(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());

    private static void Write(BinaryWriter writer, Window window)
    {
        writer.Write(window.Number);
        writer.Write(window.FirstFrame);
        writer.Write(window.FrameCount);
        writer.Write(window.Start);
        writer.Write(window.End);
    }

    private static Window ReadWindow(BinaryReader reader) =>
        new(reader.ReadInt32(), 0, reader.ReadInt32(), reader.ReadInt32(), reader.ReadDouble(), reader.ReadDouble());
}
