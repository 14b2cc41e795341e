using System.Globalization;
using System.Threading.Channels;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Search;
using static TorchSharp.torch;

namespace Alpro.Actors.Search;

/// <summary>
/// Finds and encodes windows in this process: decoder actors make batches, and models encode them, each with a thread of its own. There are
/// <c>alpro.evaluators</c> models, which take the GPUs in turn.
/// </summary>
internal sealed class WindowEncoders : IDisposable
{
    private readonly RunHost _host;
    private readonly RunConfig _config;
    private readonly WindowSettings _windows;
    private readonly bool _tokens;
    private readonly CaptionTokenizer _tokenizer;
    private readonly LoadedModel[] _models;
    private readonly Channel<LoadedModel> _free = Channel.CreateUnbounded<LoadedModel>();

    /// <summary>Encoders whose models are loaded when the first file is surveyed.</summary>
    /// <param name="host">Where the decoders are.</param>
    /// <param name="config">The model, and how a window becomes a clip.</param>
    /// <param name="weights">The file of its weights.</param>
    /// <param name="windows">How videos are cut.</param>
    /// <param name="tokens">Whether tokens are kept.</param>
    public WindowEncoders(RunHost host, RunConfig config, string weights, WindowSettings windows, bool tokens)
    {
        (_host, _config, _windows, _tokens, _tokenizer) = (host, config, windows, tokens, new(config.Data.Vocabulary));
        _models = [.. Enumerable.Range(0, host.Settings.Evaluators).Select(number => new LoadedModel(number, config, weights))];
        foreach (LoadedModel model in _models) _free.Writer.TryWrite(model);
    }

    /// <summary>
    /// Pieces that keep a process busy: for each model a batch that is encoded and one that is decoded, and files whose cuts are looked for
    /// beside them.
    /// </summary>
    public static int PlacesOf(ActorSettings settings) => 2 * settings.Evaluators + Math.Max(1, settings.Decoders / 4);

    /// <summary>Opens a place at which a piece is done.</summary>
    public IWindowEncoder Open() => new Place(this);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LoadedModel model in _models) model.Dispose();
    }

    private sealed class Place(WindowEncoders all) : IWindowEncoder
    {
        private readonly IFrameReader _reader = FrameReaders.Create(
            new DecodeLimits { Deadline = all._host.Settings.DecodeDeadline, Places = all._host.Settings.Places },
            all._host.Settings.IsolateDecoders ? WorkerCommand.ThisProgram(DecodeWorker.CommandName) : null);

        public Task<SurveyedFile> SurveyAsync(IndexedFile file, CancellationToken stop)
        {
            foreach (LoadedModel model in all._models) model.Begin();        // its windows will want one
            (IndexedFile found, IReadOnlyList<Window> windows) = WindowCutter.Survey(_reader, file, all._windows);
            return Task.FromResult(new SurveyedFile(found, windows));
        }

        public async Task<EncodedWindow[]> EncodeAsync(IReadOnlyList<(IndexedFile File, Window Window)> windows, CancellationToken stop)
        {
            string?[] problems = new string?[windows.Count];
            using ClipBatch? batch = all.Decode(windows, problems);
            EncodedWindow[] made = [.. problems.Select(problem => new EncodedWindow([], [], [], problem))];
            if (batch is null) return made;
            int[] rows = [.. batch.Keys.Select(key => int.Parse(key, CultureInfo.InvariantCulture))];
            byte[][] pictures = [.. rows.AsParallel().AsOrdered().Select((row, clip) => Picture(batch, clip, windows[row].File))];
            (Half[] features, Half[] tokens) = await all.EncodeAsync(batch, clip => NameOf(windows[rows[clip]]), stop)
                .ConfigureAwait(false);
            int width = features.Length / rows.Length, length = tokens.Length / rows.Length;
            for (int clip = 0; clip < rows.Length; clip++)
                made[rows[clip]] = new(features[(clip * width)..((clip + 1) * width)], tokens[(clip * length)..((clip + 1) * length)],
                    pictures[clip]);
            return made;
        }

        public void Dispose() => _reader.Dispose();
    }

    /// <summary>Has the decoders make a batch of windows; null where none can be read.</summary>
    private ClipBatch? Decode(IReadOnlyList<(IndexedFile, Window)> windows, string?[] problems)
    {
        var corpus = new WindowCorpus(windows);
        using var data = new RunData(_config, _host.Settings, corpus, _tokenizer);
        var ledger = new ClipLedger(rejection =>
            problems[rejection.Request.Row] = WindowCutter.Describe(rejection.Reason, rejection.Message));
        return _host.Read(data, [.. Enumerable.Range(0, windows.Count).Select(row => (long)row)], _config.Data.Clip, windows.Count, ledger,
            corpus.NameOf).SingleOrDefault();
    }

    /// <summary>Encodes a batch with the next model that is free, which disposes it.</summary>
    private async Task<(Half[] Features_BF, Half[] Tokens_BMD)> EncodeAsync(ClipBatch batch, Func<int, string> nameOf,
        CancellationToken stop)
    {
        LoadedModel model = await _free.Reader.ReadAsync(stop).ConfigureAwait(false);
        try
        {
            return await model.EncodeAsync(batch, nameOf, _tokens, stop).ConfigureAwait(false);
        }
        finally
        {
            _free.Writer.TryWrite(model);
        }
    }

    private static string NameOf((IndexedFile File, Window Window) row) =>
        string.Create(CultureInfo.InvariantCulture, $"{row.File.Name} at {row.Window.Start:0.0} s");

    /// <summary>The frame in the middle of a clip.</summary>
    private static byte[] Picture(ClipBatch batch, int clip, IndexedFile file)
    {
        int bytes = batch.Side * batch.Side * 3, frame = clip * batch.Frames + batch.Frames / 2;
        return FramePicture.Jpeg(batch.Pixels_BTHWC.Slice(frame * bytes, bytes), batch.Side, file.Info.Width, file.Info.Height);
    }

    /// <summary>A model, and the thread that it stays on.</summary>
    private sealed class LoadedModel : IDisposable
    {
        private readonly ModelThread _thread;
        private readonly Precision _precision;
        private readonly Lazy<Task<bool>> _loaded;
        private AlproModel? _model;

        public LoadedModel(int number, RunConfig config, string weights)
        {
            _thread = new($"index-{number}", config.TorchThreads);
            _precision = config.Training.Precision;
            _loaded = new(() => _thread.RunAsync(() =>
            {
                _model = RunModel.Load(config, weights, RunModel.DeviceOf(number));
                foreach (Tensor weight in _model.state_dict().Values) weight.DetachFromDisposeScope();       // it outlives the loading
                return true;
            }));
        }

        public void Begin() => _ = _loaded.Value;

        public async Task<(Half[] Features_BF, Half[] Tokens_BMD)> EncodeAsync(ClipBatch batch, Func<int, string> nameOf, bool tokens,
            CancellationToken stop)
        {
            await _loaded.Value.ConfigureAwait(false);
            return await _thread.RunAsync(() =>
            {
                EncodedVideos some = EncodedVideos.Of(_model!, _precision, [batch]).Single();
                float[] features = some.Features_BF.cpu().view(-1).data<float>().ToArray();
                NotANumberException.ThrowIfAny(features, at => nameOf(at / (features.Length / some.Keys.Count)));
                return (SearchIndexWriter.Halves(features), tokens
                    ? SearchIndexWriter.Halves(some.Tokens_BVD.to(ScalarType.Float32).cpu().view(-1).data<float>().ToArray()) : []);
            }, stop).ConfigureAwait(false);
        }

        public void Dispose()
        {
            _thread.RunAsync(() =>
            {
                _model?.Dispose();
                return true;
            });
            _thread.Dispose();
        }
    }
}
