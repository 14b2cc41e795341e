using System.ComponentModel;
using System.Diagnostics;
using FFMpegCore;
using FFMpegCore.Enums;

namespace Alpro.Data.Media;

/// <summary>Runs the <c>ffmpeg</c> command through FFMpegCore, with errors a person can act on.</summary>
internal static class FfmpegCommand
{
    /// <summary>
    /// Options that make the same bytes of the same input on any run: one thread, no dates, no version strings of the muxer.
    /// </summary>
    public const string Deterministic = "-threads 1 -fflags +bitexact -flags:v +bitexact -map_metadata -1";

    /// <summary>The line in which the command says its version; null where there is none.</summary>
    public static string? Version()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ffmpeg", "-version")
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            string? first = process.StandardOutput.ReadLine();
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? first : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Runs one command to its end; a cancellation kills it.</summary>
    /// <exception cref="DataException">There is no <c>ffmpeg</c> on this system.</exception>
    /// <exception cref="FFMpegCore.Exceptions.FFMpegException">The command failed; the message holds what it wrote.</exception>
    public static async Task RunAsync(FFMpegArgumentProcessor command, CancellationToken cancellation)
    {
        using CancellationTokenSource kill = new();
        using CancellationTokenRegistration asked = cancellation.Register(() =>
        {
            try
            {
                kill.Cancel();
            }
            catch (AggregateException)
            {
                // FFMpegCore asks the command to quit, and the command has just ended.
            }
        });
        try
        {
            await command.ProcessAsynchronously(throwOnError: true, new FFOptions { LogLevel = FFMpegLogLevel.Error }, kill.Token)
                .ConfigureAwait(false);
        }
        catch (Exception exception) when (exception.GetBaseException() is Win32Exception)
        {
            throw new DataException("The ffmpeg command is not found. Install it (Debian, Ubuntu: apt-get install ffmpeg) or put it on "
                + "the PATH.", exception);
        }
    }
}
