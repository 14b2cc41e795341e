using System.Net;

namespace Alpro.Web.Tests;

public sealed class PageAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:9464", "127.0.0.1:9464", true)]
    [InlineData("localhost:0", "127.0.0.1:0", true)]
    [InlineData("[::1]:80", "[::1]:80", true)]
    [InlineData("0.0.0.0:9464", "0.0.0.0:9464", false)]
    [InlineData("10.1.2.3:9464", "10.1.2.3:9464", false)]
    public void Address_and_port_are_read(string text, string expected, bool isLocal)
    {
        Assert.True(PageAddress.TryParse(text, out PageAddress? address));
        Assert.Equal((IPEndPoint.Parse(expected), isLocal), (address.EndPoint, address.IsLocal));
    }

    [Fact]
    public void Off_is_no_address()
    {
        Assert.True(PageAddress.TryParse("off", out PageAddress? address));
        Assert.Null(address.EndPoint);
    }

    [Theory]
    [InlineData("9464")]
    [InlineData(":9464")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("trainer-host:9464")]
    [InlineData("on")]
    public void What_is_neither_is_refused(string text) => Assert.False(PageAddress.TryParse(text, out _));
}
