using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Alpro.Web;

/// <summary>Where a page listens, or that there is none: what <c>--page</c> says.</summary>
/// <param name="EndPoint">Address and port, which is 0 for any that is free; null for no page.</param>
public sealed record PageAddress(IPEndPoint? EndPoint)
{
    /// <summary>What <see cref="TryParse"/> reads, for messages.</summary>
    public const string Expected = "off, or an address of this machine with a port, such as 127.0.0.1:9464 or 0.0.0.0:9464";

    /// <summary>No page.</summary>
    public static PageAddress Off { get; } = new((IPEndPoint?)null);

    /// <summary>Any free port, where this machine alone reaches it.</summary>
    public static PageAddress Free { get; } = new(new IPEndPoint(IPAddress.Loopback, 0));

    /// <summary>Whether this machine alone reaches it.</summary>
    public bool IsLocal => EndPoint is null || IPAddress.IsLoopback(EndPoint.Address);

    /// <summary>Reads <c>off</c> or <c>ADDRESS:PORT</c>.</summary>
    /// <returns>Whether it is either.</returns>
    public static bool TryParse(string text, [NotNullWhen(true)] out PageAddress? address)
    {
        int colon = text.LastIndexOf(':');
        address = text == "off" ? Off
            : colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port)
            && AddressOf(text[..colon]) is { } host ? new(new IPEndPoint(host, port)) : null;
        return address is not null;
    }

    private static IPAddress? AddressOf(string host) => host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) ? address : null;
}
