using System.Runtime.InteropServices;
using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>
/// The C library over FFmpeg that decodes in this process (sources in <c>native/</c>, built with the project). It is absent where the build
/// found no C compiler or FFmpeg headers. It does not load without the FFmpeg libraries that it was built against.
/// </summary>
internal static partial class NativeDecoder
{
    private const string Library = "alproclip";

    static NativeDecoder()
    {
        try
        {
            Span<uint> versions = stackalloc uint[3];
            Versions(versions);
            Version = $"libavformat {Name(versions[0])}, libavcodec {Name(versions[1])}, libswscale {Name(versions[2])}";
        }
        catch (DllNotFoundException exception)
        {
            WhyNot = $"the library {Library} is not beside the program, or the FFmpeg libraries it needs are not installed: "
                + $"{exception.Message.Split('\n')[0].Trim()}";
        }
        catch (EntryPointNotFoundException exception)
        {
            WhyNot = $"the library {Library} beside the program is of another version: {exception.Message}";
        }
    }

    /// <summary>Whether decoding in this process is possible.</summary>
    public static bool IsAvailable => Version is not null;

    /// <summary>The FFmpeg libraries in use; null where the decoder is not available.</summary>
    public static string? Version { get; }

    /// <summary>Why the decoder is not available; null where it is.</summary>
    public static string? WhyNot { get; }

    private static string Name(uint version) => $"{version >> 16}.{version >> 8 & 255}.{version & 255}";

    /// <summary>Limits as the library takes them.</summary>
    internal readonly record struct Limits(long DeadlineNanoseconds, long MaxPixels, long MaxPackets);

    /// <summary>What the library tells about an open file.</summary>
    internal record struct Info(double FrameRate, int FrameCount, int Width, int Height, int Rotation);

    /// <summary>A packed clip as the library takes it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Packed
    {
        public byte* Header;
        public int* Sizes;
        public uint* Checksums;
        public double FrameRate;
        public long First;
        public int Codec, Width, Height, FrameCount, HeaderSize;
    }

    /// <summary>A reader of the library, freed with this handle.</summary>
    internal sealed class ReaderHandle() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            Free(handle);
            return true;
        }
    }

    [LibraryImport(Library, EntryPoint = "alpro_new")]
    internal static partial ReaderHandle New(in Limits limits);

    [LibraryImport(Library, EntryPoint = "alpro_open", StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int Open(ReaderHandle reader, string path, long offset, long length, Packed* clip, out Info info);

    [LibraryImport(Library, EntryPoint = "alpro_open_input")]
    internal static unsafe partial int OpenInput(ReaderHandle reader, delegate* unmanaged<nint, long, byte*, int, int> input, nint source,
        long offset, long length, Packed* clip, out Info info);

    [LibraryImport(Library, EntryPoint = "alpro_ranges")]
    internal static partial int Ranges(ReaderHandle reader, ReadOnlySpan<int> indices, int count, Span<ByteRange> ranges, int capacity);

    [LibraryImport(Library, EntryPoint = "alpro_key_frames")]
    internal static partial int KeyFrames(ReaderHandle reader, Span<int> indices, int capacity);

    [LibraryImport(Library, EntryPoint = "alpro_read")]
    internal static partial int Read(ReaderHandle reader, ReadOnlySpan<int> indices, int count, int width, int height, int filter,
        Span<byte> pixels);

    [LibraryImport(Library, EntryPoint = "alpro_jpeg")]
    internal static partial int Jpeg(ReadOnlySpan<byte> rgb, int width, int height, int toWidth, int toHeight, int quality, Span<byte> jpeg,
        int capacity);

    [LibraryImport(Library, EntryPoint = "alpro_message")]
    internal static partial nint Message(ReaderHandle reader);

    [LibraryImport(Library, EntryPoint = "alpro_statistics")]
    internal static partial void Statistics(ReaderHandle reader, out DecodeStatistics statistics);

    [LibraryImport(Library, EntryPoint = "alpro_free")]
    private static partial void Free(nint reader);

    [LibraryImport(Library, EntryPoint = "alpro_versions")]
    private static partial void Versions(Span<uint> versions);
}
