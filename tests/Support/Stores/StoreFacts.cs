namespace Alpro.Tests.Support.Stores;

/// <summary>A fact that needs nginx: skipped, with a message, where it is not installed.</summary>
public sealed class NginxFactAttribute : FactAttribute
{
    public NginxFactAttribute()
    {
        if (!StoreProcess.IsInstalled("nginx")) Skip = "needs nginx (Debian: apt-get install nginx-light)";
    }
}

/// <summary>A fact that needs s3rver: skipped, with a message, where it is not installed.</summary>
public sealed class S3FactAttribute : FactAttribute
{
    public S3FactAttribute()
    {
        if (!StoreProcess.IsInstalled("s3rver")) Skip = "needs s3rver (npm install --global s3rver)";
    }
}
