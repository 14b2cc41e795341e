using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Alpro.Tests.Support.Stores;

/// <summary>
/// A web server of this process: the files of a folder, whole or by ranges. What is called <c>denied</c> may not be read.
/// </summary>
public sealed class FileServer : IDisposable
{
    private readonly string _folder;
    private readonly HttpListener _listener = new();

    public FileServer(string folder)
    {
        (_folder, Port) = (folder, FreePorts.One());
        _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        _listener.Start();
        _ = ServeAsync();
    }

    public int Port { get; }

    public void Dispose() => ((IDisposable)_listener).Dispose();

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                HttpListenerContext context = await _listener.GetContextAsync();
                _ = Task.Run(() => Answer(context.Request, context.Response));
            }
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Answer(HttpListenerRequest request, HttpListenerResponse response)
    {
        try
        {
            string path = Path.Combine(_folder, Uri.UnescapeDataString(request.Url!.AbsolutePath[1..]));
            if (path.Contains("denied")) response.StatusCode = 403;
            else if (!File.Exists(path)) response.StatusCode = 404;
            else Send(request.Headers["Range"], File.ReadAllBytes(path), response);
            response.Close();
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or IOException)
        {
            // Whoever asked has gone.
        }
    }

    private static void Send(string? range, byte[] bytes, HttpListenerResponse response)
    {
        (int start, int end) = (0, bytes.Length);
        if (range is not null)
        {
            string[] parts = range["bytes=".Length..].Split('-');
            start = int.Parse(parts[0], CultureInfo.InvariantCulture);
            end = (int)Math.Min(long.Parse(parts[1], CultureInfo.InvariantCulture) + 1, bytes.Length);
            response.StatusCode = start < bytes.Length ? 206 : 416;
            string sent = start < bytes.Length ? $"{start}-{end - 1}" : "*";
            response.Headers["Content-Range"] = $"bytes {sent}/{bytes.Length}";
        }
        response.Headers["ETag"] = $"\"{bytes.Length}\"";
        response.ContentLength64 = Math.Max(0, end - start);
        if (start < end) response.OutputStream.Write(bytes, start, end - start);
    }
}
