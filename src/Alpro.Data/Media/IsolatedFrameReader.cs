using System.Diagnostics;
using System.Reflection;
using System.Text;
using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>The command that runs <see cref="DecodeWorker"/> on its standard input and output.</summary>
/// <param name="FileName">The program.</param>
/// <param name="Arguments">Its arguments.</param>
public sealed record WorkerCommand(string FileName, params string[] Arguments)
{
    /// <summary>The program that is running, with other arguments.</summary>
    public static WorkerCommand ThisProgram(params string[] arguments)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The path of the running program is unknown.");
        bool host = Path.GetFileNameWithoutExtension(program) == "dotnet";
        return host ? new(program, [Assembly.GetEntryAssembly()!.Location, .. arguments]) : new(program, arguments);
    }
}

/// <summary>
/// Reads frames in a child process: a file that crashes or hangs the decoder costs that process and not this one. The clip is then
/// unreadable (<see cref="RejectReason.DecoderDied"/>, <see cref="RejectReason.TimedOut"/>), and the next file gets a new process.
/// </summary>
/// <remarks>
/// The cost is 1 to 6 ms of processor time a clip, beside the 76 ms of decoding it. It was measured on WebVid clips of 8 frames at 224 px
/// (1.2 MB through a pipe). Each reader has a process of 70 MiB, which takes a few tenths of a second to start.
/// </remarks>
internal sealed class IsolatedFrameReader : IFrameReader
{
    private static readonly TimeSpan _startTime = TimeSpan.FromSeconds(30), _grace = TimeSpan.FromSeconds(1);

    private readonly DecodeLimits _limits;
    private readonly WorkerCommand _command;
    private readonly Timer _watchdog;
    private readonly Lock _life = new();   // the watchdog kills from another thread
    private Process? _worker;
    private BinaryReader? _answers;
    private BinaryWriter? _requests;
    private bool _killed;
    private string _path = "";
    private TimeSpan _patience;
    private VideoInfo _info;

    /// <summary>A reader whose child process starts with the first file.</summary>
    public IsolatedFrameReader(DecodeLimits limits, WorkerCommand command)
    {
        (_limits, _command) = (limits, command);
        _watchdog = new Timer(_ => KillWorker());
    }

    /// <summary>Number of the child process that is in use; null before the first file and after a death.</summary>
    public int? WorkerId => _worker?.Id;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The child process does not start.</exception>
    public VideoInfo Open(MediaSource media)
    {
        (_path, _info) = (Place.NameOf(media.Path), default);
        _patience = _limits.Deadline + _grace + (Place.IsRemote(media.Path) ? _limits.Places.Deadline + _limits.Places.TryTime : default);
        if (_killed) Stop();
        if (_worker is null) Start();
        try
        {
            Watch(_patience);
            _requests!.Write(DecodeWorker.OpenRequest);
            media.Write(_requests);
            _requests.Flush();
            TakeAnswer();
            int frames = _answers!.ReadInt32();
            return _info = new VideoInfo(frames, _answers.ReadDouble(), _answers.ReadInt32(), _answers.ReadInt32(), _answers.ReadInt32());
        }
        catch (IOException exception)
        {
            throw Died(exception);
        }
        finally
        {
            Watch(Timeout.InfiniteTimeSpan);
        }
    }

    /// <inheritdoc/>
    public void Fetch(ReadOnlySpan<int> indices)
    {
        try
        {
            Watch(_patience);
            _requests!.Write(DecodeWorker.FetchRequest);
            _requests.Write(indices.Length);
            foreach (int index in indices) _requests.Write(index);
            _requests.Flush();
            TakeAnswer();
        }
        catch (IOException exception)
        {
            throw Died(exception);
        }
        finally
        {
            Watch(Timeout.InfiniteTimeSpan);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<int> KeyFrames()
    {
        try
        {
            Watch(_patience);
            _requests!.Write(DecodeWorker.KeyFramesRequest);
            _requests.Flush();
            TakeAnswer();
            int[] frames = new int[_answers!.ReadInt32()];
            for (int i = 0; i < frames.Length; i++) frames[i] = _answers.ReadInt32();
            return frames;
        }
        catch (IOException exception)
        {
            throw Died(exception);
        }
        finally
        {
            Watch(Timeout.InfiniteTimeSpan);
        }
    }

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        FrameReaders.CheckRequest(_info, indices, width, height, pixels_THWC.Length);
        try
        {
            Watch(_patience);
            _requests!.Write(DecodeWorker.ReadRequest);
            _requests.Write(indices.Length);
            _requests.Write(width);
            _requests.Write(height);
            _requests.Write((int)filter);
            foreach (int index in indices) _requests.Write(index);
            _requests.Flush();
            TakeAnswer();
            _answers!.BaseStream.ReadExactly(pixels_THWC);
        }
        catch (IOException exception)
        {
            throw Died(exception);
        }
        finally
        {
            Watch(Timeout.InfiniteTimeSpan);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _watchdog.Dispose();
    }

    private void Start()
    {
        var start = new ProcessStartInfo(_command.FileName, _command.Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment.Remove("DOTNET_GCgen0size");                   // this process's budget is for training steps: half a gigabyte
        _worker = Process.Start(start)!;
        _requests = new BinaryWriter(new BufferedStream(_worker.StandardInput.BaseStream), Encoding.UTF8);
        _answers = new BinaryReader(_worker.StandardOutput.BaseStream, Encoding.UTF8);
        try
        {
            Watch(_startTime);
            _requests.Write(_limits.Deadline.Ticks);
            _requests.Write(_limits.MaxPixels);
            _requests.Write(_limits.MaxPackets);
            PlaceSettings places = _limits.Places;
            _requests.Write(places.CacheFolder ?? "");
            _requests.Write(places.CacheSize);
            _requests.Write(places.Deadline.Ticks);
            _requests.Write(places.TryTime.Ticks);
            _requests.Write(places.BackOff.Ticks);
            _requests.Flush();
            if (_answers.ReadByte() != DecodeWorker.Ready) throw new IOException("it answers something else");
        }
        catch (IOException exception)
        {
            Stop();
            throw new InvalidOperationException($"The decoding process does not start: {_command.FileName} "
                + $"{string.Join(' ', _command.Arguments)}: {exception.Message}", exception);
        }
        finally
        {
            Watch(Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Reads how a request went; what follows it is for the caller.</summary>
    private void TakeAnswer()
    {
        byte answer = DecodeWorker.NextAnswer(_answers!);
        if (answer == DecodeWorker.Done) return;
        if (answer != DecodeWorker.Refused) throw new IOException($"The decoding process answers {answer}.");
        var reason = (RejectReason)_answers!.ReadInt32();
        throw new UnreadableClipException(reason, _path, _answers.ReadString());
    }

    private void Watch(TimeSpan time) => _watchdog.Change(time, Timeout.InfiniteTimeSpan);

    private void KillWorker()
    {
        lock (_life)
        {
            _killed = true;
            _worker?.Kill();
        }
    }

    private UnreadableClipException Died(IOException cause)
    {
        bool late = _killed;
        string how = _worker is { } worker && worker.WaitForExit(_grace) ? $"with exit code {worker.ExitCode}" : "without a word";
        Stop();
        _info = default;
        return late
            ? new(RejectReason.TimedOut, _path, "the decoding process hung and was ended", cause)
            : new(RejectReason.DecoderDied, _path, $"the decoding process died {how}", cause);
    }

    private void Stop()
    {
        lock (_life)
        {
            if (_worker is null) return;
            _worker.Kill();
            _worker.Dispose();
            (_worker, _requests, _answers, _killed) = (null, null, null, false);
        }
    }
}
