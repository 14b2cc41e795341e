using Alpro.Data.Media;

namespace Alpro.Data.Tests;

/// <summary>The test assembly is also a program: the child process that isolated readers decode in.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is not ["decode-worker"]) return 2;
        DecodeWorker.Run(Console.OpenStandardInput(), Console.OpenStandardOutput());
        return 0;
    }
}
