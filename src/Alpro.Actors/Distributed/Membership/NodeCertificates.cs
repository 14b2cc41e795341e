using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>
/// The certificates by which the nodes of a cluster know each other: their own authority, and one certificate that it signed. Whoever
/// cannot show such a certificate gets nothing, on the control plane and on the data plane alike. A node's folder holds three files in
/// PEM: <c>ca.pem</c>, <c>node.pem</c>, <c>node.key</c>.
/// </summary>
public sealed class NodeCertificates : IDisposable
{
    private const string AuthorityFile = "ca.pem", AuthorityKeyFile = "ca.key", CertificateFile = "node.pem", KeyFile = "node.key";

    private static readonly TimeSpan _authorityLife = TimeSpan.FromDays(3650), _nodeLife = TimeSpan.FromDays(825),
        _clockSkew = TimeSpan.FromDays(1);

    private readonly X509Certificate2 _authority;

    private NodeCertificates(X509Certificate2 authority, X509Certificate2 own) => (_authority, Own) = (authority, own);

    /// <summary>This node's certificate, with its private key.</summary>
    public X509Certificate2 Own { get; }

    /// <summary>Reads a node's folder.</summary>
    /// <exception cref="UsageException">A file is absent or not what it should be.</exception>
    public static NodeCertificates Load(string folder)
    {
        try
        {
            return new(X509CertificateLoader.LoadCertificateFromFile(Path.Combine(folder, AuthorityFile)),
                X509Certificate2.CreateFromPemFile(Path.Combine(folder, CertificateFile), Path.Combine(folder, KeyFile)));
        }
        catch (Exception exception) when (exception is IOException or CryptographicException or UnauthorizedAccessException)
        {
            throw new UsageException(
                $"{folder}: expected {AuthorityFile}, {CertificateFile} and {KeyFile} as 'alpro certs' makes them: {exception.Message}");
        }
    }

    /// <summary>Makes an authority, unless the folder has one, and for each node a folder of certificates beside it.</summary>
    /// <param name="folder">Holds the authority, with its private key: not to be copied to the nodes.</param>
    /// <param name="nodes">Host names or addresses of the nodes; each becomes the name of a folder.</param>
    /// <param name="time">Now.</param>
    /// <returns>The nodes' folders.</returns>
    public static IReadOnlyList<string> Create(string folder, IReadOnlyList<string> nodes, TimeProvider time)
    {
        Directory.CreateDirectory(folder);
        string authorityFile = Path.Combine(folder, AuthorityFile), authorityKey = Path.Combine(folder, AuthorityKeyFile);
        if (!File.Exists(authorityFile)) CreateAuthority(authorityFile, authorityKey, time.GetUtcNow());
        using X509Certificate2 authority = X509Certificate2.CreateFromPemFile(authorityFile, authorityKey);
        var folders = new List<string>();
        foreach (string node in nodes)
        {
            string own = Path.Combine(folder, node);
            Directory.CreateDirectory(own);
            File.Copy(authorityFile, Path.Combine(own, AuthorityFile), overwrite: true);
            CreateNode(authority, node, Path.Combine(own, CertificateFile), Path.Combine(own, KeyFile), time.GetUtcNow());
            folders.Add(own);
        }
        return folders;
    }

    /// <summary>Whether a peer's certificate was signed by the cluster's authority and is in force.</summary>
    public bool Trust(X509Certificate? peer)
    {
        if (peer is null) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;    // a lost key means a new authority: there is nobody to ask
        chain.ChainPolicy.DisableCertificateDownloads = true;
        using X509Certificate2 certificate = X509CertificateLoader.LoadCertificate(peer.GetRawCertData());
        return chain.Build(certificate);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _authority.Dispose();
        Own.Dispose();
    }

    private static void CreateAuthority(string file, string keyFile, DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=alpro cluster", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true,
            pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        using X509Certificate2 authority = request.CreateSelfSigned(now - _clockSkew, now + _authorityLife);
        WriteKey(keyFile, key);
        File.WriteAllText(file, authority.ExportCertificatePem());
    }

    private static void CreateNode(X509Certificate2 authority, string name, string file, string keyFile, DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false,
            pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        // both ends of TLS
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")],
            critical: false));
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address)) names.AddIpAddress(address);
        else names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(authority, now - _clockSkew, now + _nodeLife,
            RandomNumberGenerator.GetBytes(16));
        WriteKey(keyFile, key);
        File.WriteAllText(file, certificate.ExportCertificatePem());
    }

    /// <summary>Writes a key that its owner alone may read.</summary>
    private static void WriteKey(string file, ECDsa key)
    {
        File.Delete(file);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(file, options);
        writer.Write(key.ExportPkcs8PrivateKeyPem());
    }
}
