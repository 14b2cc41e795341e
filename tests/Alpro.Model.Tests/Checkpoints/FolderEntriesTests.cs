using Alpro.Model.Checkpoints;

namespace Alpro.Model.Tests.Checkpoints;

public sealed class FolderEntriesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Names_are_flushed_with_every_whole_file_and_a_folder_that_is_not_there_is_named()
    {
        FolderEntries.Flush(_folder.Path);
        WholeFile.Write(_folder.File("file"), stream => stream.WriteByte(1));
        Assert.Equal([_folder.File("file")], Directory.EnumerateFileSystemEntries(_folder.Path));
        Assert.StartsWith($"{_folder.File("nowhere")}: the names in it cannot be brought to the disk",
            Assert.Throws<IOException>(() => FolderEntries.Flush(_folder.File("nowhere"))).Message, StringComparison.Ordinal);
    }
}
