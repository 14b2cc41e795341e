using System.Runtime.InteropServices;

namespace Alpro.Training.Devices;

/// <summary>What an error says of the device that computes.</summary>
public enum DeviceFault
{
    /// <summary>Nothing: it is about something else.</summary>
    None,

    /// <summary>Its memory is not enough. It can still be used, and the same step would meet the same end.</summary>
    OutOfMemory,

    /// <summary>
    /// It has failed: CUDA answers every later call of the process with the same error, so that only another process can use it.
    /// </summary>
    Lost,
}

/// <summary>Tells errors of the device from all others, by the texts of libtorch.</summary>
public static class DeviceFaults
{
    private static readonly string[] _full = ["out of memory", "can't allocate memory", "not enough memory", "_STATUS_ALLOC_FAILED"];
    private static readonly string[] _lost = ["CUDA error", "CUDA driver error", "cuDNN error", "CUDNN_STATUS_", "CUBLAS_STATUS_"];

    /// <summary>What an error, or one inside it, says.</summary>
    public static DeviceFault Of(Exception? error) => Cause(error) switch
    {
        null => DeviceFault.None,
        { } cause when cause is OutOfMemoryException || Says(cause, _full) => DeviceFault.OutOfMemory,
        _ => DeviceFault.Lost,
    };

    /// <summary>The first line of what libtorch said of the device: what follows is advice for whoever debugs it.</summary>
    public static string Words(Exception error) => (Cause(error) ?? error).Message.Trim().Split('\n', 2)[0].TrimEnd();

    private static Exception? Cause(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is OutOfMemoryException || (error is ExternalException && (Says(error, _full) || Says(error, _lost)))) return error;
            if (error is AggregateException several
                && several.InnerExceptions.Select(Cause).OfType<Exception>().FirstOrDefault() is { } cause) return cause;
        }
        return null;
    }

    private static bool Says(Exception error, string[] texts) =>
        texts.Any(text => error.Message.Contains(text, StringComparison.OrdinalIgnoreCase));
}
