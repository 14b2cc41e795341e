using System.Diagnostics;
using System.Net.Sockets;
using Amazon.S3;
using Amazon.S3.Model;

namespace Alpro.Tests.Support.Stores;

/// <summary>A store as a process of its own, until it is disposed: nginx over a folder, or s3rver with an empty bucket.</summary>
public sealed class StoreProcess : IDisposable
{
    /// <summary>The bucket, and the name and key that may read it.</summary>
    public const string Bucket = "clips", Key = "S3RVER";

    private readonly Process _process;
    private readonly string _own = Directory.CreateTempSubdirectory("alpro-store-").FullName;

    private StoreProcess(int port, Func<string, (string Program, string[] Arguments)> command)
    {
        (string program, string[] arguments) = command(_own);
        Port = port;
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        WaitUntilItListens();
    }

    public int Port { get; }

    /// <summary>nginx that serves a folder.</summary>
    public static StoreProcess Nginx(string folder)
    {
        int port = FreePorts.One();
        return new StoreProcess(port, own =>
        {
            string paths = string.Concat(new[] { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" }
                .Select(kind => $"{kind}_temp_path {own}/{kind}; "));
            File.WriteAllText(Path.Combine(own, "nginx.conf"), $$"""
                {{(Environment.UserName == "root" ? "user root;" : "")}}
                daemon off; worker_processes 1; pid {{own}}/pid; error_log {{own}}/errors;
                events { worker_connections 1024; }
                http { access_log off; {{paths}} server { listen 127.0.0.1:{{port}}; root {{folder}}; keepalive_requests 1000000; } }
                """);
            return ("nginx", ["-p", own, "-c", Path.Combine(own, "nginx.conf")]);
        });
    }

    /// <summary>s3rver, which speaks S3.</summary>
    public static StoreProcess S3()
    {
        int port = FreePorts.One();
        return new StoreProcess(port, own => ("s3rver", ["-d", own, "-a", "127.0.0.1", "-p", $"{port}", "--silent",
            "--no-vhost-buckets", "--configure-bucket", Bucket]));
    }

    /// <summary>Whether a program is on the path.</summary>
    public static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Puts the files of a folder into the bucket, by their names relative to it.</summary>
    public static async Task UploadAsync(IAmazonS3 client, string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            await client.PutObjectAsync(new PutObjectRequest
            {
                BucketName = Bucket,
                Key = Path.GetRelativePath(folder, file),
                FilePath = file,
                UseChunkEncoding = false,
            });
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_own, recursive: true);
    }

    private void WaitUntilItListens()
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                using var client = new TcpClient("127.0.0.1", Port);
                return;
            }
            catch (SocketException) when (tries < 200 && !_process.HasExited)
            {
                Task.Delay(50).Wait();
            }
        }
    }
}
