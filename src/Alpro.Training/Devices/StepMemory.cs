using Alpro.Model;
using Alpro.Training.Configuration;

namespace Alpro.Training.Devices;

/// <summary>
/// The memory that a training step takes of its device at the peak, counted from shapes: nothing is built and no device asked. What the
/// backward pass reads again is counted operation by operation; what is short-lived, where it is largest.
/// </summary>
/// <param name="Weights">Weights, trained and frozen, and those that the model has in bfloat16 besides.</param>
/// <param name="Training">Gradients, in both precisions where the weights are, and both moments.</param>
/// <param name="Kept">What the forward pass keeps for the backward pass, with the 16-bit copies of weights.</param>
/// <param name="Passing">What lives for a moment beside all that.</param>
internal sealed record StepMemory(long Weights, long Training, long Kept, long Passing)
{
    /// <summary>What CUDA, its libraries and the rounding of the allocator take besides.</summary>
    public const long Overhead = 1L << 30;

    /// <summary>Bytes at the peak.</summary>
    public long Peak => Weights + Training + Kept + Passing;

    /// <summary>Counts a step of a run.</summary>
    /// <param name="config">The run.</param>
    /// <param name="world">Trainers that share its batch.</param>
    /// <param name="gpu">Whether it is trained on a GPU, where attention with dropout is one operation and its masks are bytes.</param>
    public static StepMemory Of(RunConfig config, int world = 1, bool gpu = true) =>
        new Counter(config, config.Training.BatchSize / config.Training.Accumulation / world, gpu).Count();

    /// <summary>Trained parameters of a task's model, and frozen ones.</summary>
    /// <param name="task">The task.</param>
    /// <param name="model">Its model.</param>
    /// <param name="matrices">Whether only those of matrices and embeddings are counted, which can be in bfloat16.</param>
    internal static (long Trained, long Frozen) Parameters(LearningTask task, ModelConfig model, bool matrices = false)
    {
        long vector = matrices ? 0 : 1;
        (VisionConfig vision, TextConfig text) = (model.Vision, model.Text);
        long width = vision.Width, hidden = (long)(width * vision.MlpRatio), side = vision.ImageSize / vision.PatchSize, classes = 400;
        long attention = Linear(width, 3 * width) + Linear(width, width), norm = vector * 2 * width;
        long block = 3 * norm + 2 * attention + Linear(width, width) + Linear(width, hidden) + Linear(hidden, width);
        long patches = Linear(3L * vision.PatchSize * vision.PatchSize, width);
        long positions = vector * width * (1 + 1 + side * side + vision.Frames);
        long video = positions + patches + vision.Depth * block + norm + Linear(width, classes);
        long layer = 4 * Linear(width, width) + Linear(width, text.IntermediateSize) + Linear(text.IntermediateSize, width) + 2 * norm;
        long words = width * (text.VocabularySize + text.MaxPositions + 2) + norm + text.Layers * layer;
        long head = Linear(width, width) + norm + vector * text.VocabularySize;
        long shared = vector + video + words + 2 * Linear(width, model.ProjectionWidth) + Linear(width, 2);
        return task switch
        {
            LearningTask.Pretrain => (shared + head + Linear(width, 2 * width) + Linear(2 * width, model.Entities), shared + head),
            _ when task.ChoosesAnswers() => (shared + Linear(width, 2 * width) + Linear(2 * width, model.Answers), 0),
            _ => (shared + head, 0),
        };

        long Linear(long from, long to) => (from + vector) * to;
    }

    /// <summary>
    /// Counts with the sizes of one run: r and h are the bytes of a number of the residual stream and of a matrix product.
    /// </summary>
    private sealed class Counter(RunConfig config, long clips, bool gpu)
    {
        private const long r = sizeof(float), Moments = 8;                        // mean and deviation that a norm keeps of each row

        private readonly bool _casts = config.Training.Precision != Precision.Fp32;
        private readonly long h = config.Training.Precision == Precision.Fp32 ? 4 : 2;
        private readonly VisionConfig _vision = config.Model.Vision;
        private readonly TextConfig _text = config.Model.Text;
        private readonly long _width = config.Model.Vision.Width;
        private readonly long _frames = config.Data.Clip.Frames, _length = config.Data.Clip.TextLength;
        private readonly long _patches = (long)Math.Pow(config.Model.Vision.ImageSize / config.Model.Vision.PatchSize, 2);

        private long Tokens => _frames * (1 + _patches);                          // the class token has a copy in each frame

        private long Hidden => (long)(_width * _vision.MlpRatio);

        private bool Masks => config.Task == LearningTask.Pretrain && config.Losses.Mlm > 0;

        private bool Matches => config.Losses.Vtm > 0;

        private bool Region => config.Task == LearningTask.Pretrain && config.Losses.Pem > 0;

        public StepMemory Count()
        {
            (long trained, long frozen) = Parameters(config.Task, config.Model);
            bool halved = config.Training.Precision == Precision.Bf16Weights;
            long halves = halved ? h * Parameters(config.Task, config.Model, matrices: true).Trained : 0;
            bool classOnly = config.Task == LearningTask.Prompter;
            long texts = Masks ? 2 * clips : clips, sequence = _length + 1 + _patches, pairs = Pairs();
            long inputs = clips * _frames * 3 * _vision.ImageSize * _vision.ImageSize * r * (Region ? 2 : 1);
            long kept = inputs + Video(classOnly) + Text(texts, classOnly) + pairs * FusedLayers * Layer(sequence, sequence);
            long last = LastLayers(sequence), masked = Masks ? Vocabulary() : 0;
            kept += last + masked + (_casts && !halved ? 2 * Matrices() : 0);

            // In the forward pass, while the frozen prompter looks at the regions, the pairs are there as they went into the fusion
            // encoder.
            long joined = r * _width * (2 * pairs * sequence + 2 * clips * sequence);
            long looking = pairs == 0 ? 0 : joined - masked + (Region ? NoGradient() : 0);
            // In the backward pass, the gradients inside the first full layer that it comes to.
            long words = (long)_text.VocabularySize * _width * (halved ? h : r + (_casts ? h : 0));
            long returning = Math.Max(pairs * Returning(sequence) - last, words);
            long again = clips * (Block(false) + Tokens * (2 * h * Hidden + 2 * r * _width)) - last - pairs * FusedLayers * Layer(sequence,
                sequence);
            if (_vision.ActivationCheckpointing) returning = Math.Max(returning, again);
            long copies = gpu ? 0 : frozen;                          // snapshots keep what never changes in the host's memory
            return new(r * (trained + frozen + copies) + halves, 3 * r * trained + halves, kept, Math.Max(looking, returning));
        }

        private long FusedLayers => _text.Layers - 1 - _text.FusionLayer;

        /// <summary>Sequences that go through the fusion encoder.</summary>
        private long Pairs() => config.Task switch
        {
            LearningTask.Prompter => 0,
            LearningTask.Pretrain => (Matches ? 3 * clips : Region ? clips : 0) + (Masks ? clips : 0),
            _ => config.Task.Matches() ? 3 * clips : clips,
        };

        private long Video(bool classOnly)
        {
            long blocks = _vision.ActivationCheckpointing
                ? _vision.Depth * r * _width * Tokens
                : (_vision.Depth - (classOnly ? 1 : 0)) * Block(false) + (classOnly ? Block(true) : 0);
            long pixels = _casts ? h * 3 * _frames * _vision.ImageSize * _vision.ImageSize : 0;
            return clips * (blocks + (classOnly ? 0 : Tokens * (r * _width + Moments)) + pixels);
        }

        /// <summary>A block, per clip.</summary>
        private long Block(bool classOnly)
        {
            // Attention over time has the class token's rows too; our own kernels keep a little less.
            long time = (r * _width + Moments) * Tokens + Attention(Tokens) + 2 * h * _width * Tokens;
            long space = (r * _width + Moments) * Tokens + (classOnly ? h * _width * Tokens * 3 : Attention(Tokens));
            return time + space + (classOnly ? 0 : (r * _width + Moments) * Tokens + h * Tokens * (_width + 2 * Hidden));
        }

        // Input, queries, keys, values, result, and the sums of the softmax.
        private long Attention(long rows) => rows * (5 * h * _width + sizeof(float) * _vision.Heads);

        private long Text(long texts, bool classOnly)
        {
            long embedded = _length * ((r + (_text.HiddenDropout > 0 ? Noise(r) : 0)) * _width + Moments), layers = _text.FusionLayer;
            return texts * (embedded + (layers - 1) * Layer(_length, _length) + Layer(classOnly ? 1 : _length, _length));
        }

        /// <summary>A layer of BERT that computes some rows of a sequence, per sequence.</summary>
        private long Layer(long rows, long length)
        {
            if (rows == 1) return length * _width * (_casts ? 2 * h : r);
            long shared = rows == length ? 1 : 2;
            long reads = _width * (_casts ? h * (rows + 2 * length) : shared == 1 ? r * length : r * (rows + length));
            long projected = h * _width * (rows + 2 * length), scores = _text.Heads * rows * length;
            bool written = !gpu && _text.AttentionDropout > 0;
            long attention = written ? scores * (2 * sizeof(float) + h) : sizeof(float) * _text.Heads * rows;
            long noise = _text.HiddenDropout > 0 ? 2 * Noise(h) * _width : 0;
            long after = 2 * h * _width + 2 * h * _text.IntermediateSize + noise + 2 * (r * _width + Moments);
            return reads + projected + attention + rows * after;
        }

        private long LastLayers(long sequence) => config.Task switch
        {
            LearningTask.Prompter => 0,
            LearningTask.Pretrain => (Region ? clips * Layer(1 + _patches, sequence) : Matches ? clips * Layer(1, sequence) : 0)
                + (Matches ? 2 * clips * Layer(1, sequence) : 0) + (Masks ? clips * Layer(_length, sequence) : 0),
            _ => Pairs() * Layer(1, sequence),
        };

        // Scores of the masked words as the product gives them, and their logarithms.
        private long Vocabulary() =>
            (long)(clips * _length * config.Data.Clip.MaskProbability) * _text.VocabularySize * (h + sizeof(float));

        private long Noise(long bytes) => gpu ? 1 : bytes;

        /// <summary>Weights of which 16-bit copies are made.</summary>
        private long Matrices() => _vision.Depth * (9 * _width * _width + 2 * _width * Hidden)
            + _text.Layers * (4 * _width * _width + 2 * _width * _text.IntermediateSize)
            + (Masks ? (long)_text.VocabularySize * _width : 0);

        /// <summary>A pass of the vision encoder without gradients: what all blocks gave, and the inside of one.</summary>
        private long NoGradient() =>
            clips * Tokens * ((_vision.Depth + 2) * r * _width + 7 * r * _width + 3 * h * _width + h * (2 * _width + 2 * Hidden));

        /// <summary>The gradients inside a layer of the fusion encoder, per sequence.</summary>
        private long Returning(long sequence) => sequence * (2 * h * _text.IntermediateSize + 3 * r * _width)
            + (!gpu && _text.AttentionDropout > 0 ? 2 * sizeof(float) * _text.Heads * sequence * sequence : 0);
    }
}
