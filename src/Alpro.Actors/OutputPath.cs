namespace Alpro.Actors;

/// <summary>What a command writes where a person told it to: that it cannot is bad input, which one line says.</summary>
internal static class OutputPath
{
    /// <summary>Writes somewhere.</summary>
    /// <param name="path">The file or folder that was named.</param>
    /// <param name="option">What named it, such as <c>--out</c>.</param>
    /// <param name="write">Writes there.</param>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public static T Write<T>(string path, string option, Func<T> write) => WriteAsync(path, option,
        () => Task.FromResult(write())).GetAwaiter().GetResult();

    /// <inheritdoc cref="Write{T}"/>
    public static void Write(string path, string option, Action write) => Write(path, option, () =>
    {
        write();
        return true;
    });

    /// <inheritdoc cref="Write{T}"/>
    public static async Task<T> WriteAsync<T>(string path, string option, Func<Task<T>> write)
    {
        try
        {
            return await write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: cannot be written: {exception.Message.TrimEnd('.')}; name another place with {option}");
        }
    }
}
