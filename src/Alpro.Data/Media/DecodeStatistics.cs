namespace Alpro.Data.Media;

/// <summary>Where the time of the last <c>Open</c> and <c>Read</c> went, in nanoseconds, and what was decoded for it.</summary>
/// <param name="OpenNanoseconds">Opening the file and its container.</param>
/// <param name="IndexNanoseconds">Listing the packets and numbering the frames.</param>
/// <param name="ReadNanoseconds">Reading packets.</param>
/// <param name="DecodeNanoseconds">Inside the codec.</param>
/// <param name="ConvertNanoseconds">Turning, scaling and converting to RGB.</param>
/// <param name="Packets">Packets of the video stream.</param>
/// <param name="Sent">Packets given to the codec.</param>
/// <param name="Dropped">Packets on the way that no wanted frame depends on, left out.</param>
/// <param name="Bytes">Bytes read from the file.</param>
internal readonly record struct DecodeStatistics(
    long OpenNanoseconds, long IndexNanoseconds, long ReadNanoseconds, long DecodeNanoseconds, long ConvertNanoseconds,
    long Packets, long Sent, long Dropped, long Bytes);
