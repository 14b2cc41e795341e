using Alpro.Training.Tests.Collectives;

namespace Alpro.Training.Tests;

/// <summary>The test assembly is also a program: a rank of a group, in a process that can be killed.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is not ["rank"]) return 2;
        RankProcess.Serve();
        return 0;
    }
}
