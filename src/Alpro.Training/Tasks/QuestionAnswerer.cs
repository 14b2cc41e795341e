using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>The best answers to one question.</summary>
/// <param name="Question">Number of the question.</param>
/// <param name="Labels">Labels, best first.</param>
/// <param name="Probabilities">Their probabilities.</param>
internal sealed record Answered(int Question, int[] Labels, float[] Probabilities);

/// <summary>Video question answering (paper section 4.3): a video is encoded once for all of its questions.</summary>
/// <param name="model">The model.</param>
/// <param name="config">Questions of one fusion pass.</param>
/// <param name="precision">Arithmetic.</param>
internal sealed class QuestionAnswerer(AlproForQuestionAnswering model, EvaluationConfig config, Precision precision)
{
    private readonly Device _device = model.temp.device;

    /// <summary>
    /// Answers the questions of the videos that could be read, video by video; those of other videos get no answer. The answers are read
    /// from the device when all are there.
    /// </summary>
    /// <param name="videos">Batches of one row per video; disposed here.</param>
    /// <param name="set">The questions.</param>
    /// <param name="best">Answers to give per question.</param>
    /// <exception cref="NotANumberException">A probability is not a number.</exception>
    public IReadOnlyList<Answered> Answer(IEnumerable<ClipBatch> videos, EvaluationSet set, int best = 1)
    {
        model.eval();
        using var scope = NewDisposeScope();
        using var tensors = new BatchTensors(_device, model.Config.Vision.PatchSize);
        var questions = Enumerable.Range(0, set.VideoOfText.Count).ToLookup(question => set.VideoKeys[set.VideoOfText[question]]);
        var asked = new List<int>();
        var answers = new List<(Tensor Probabilities, Tensor Labels)>();
        foreach (ClipBatch batch in videos)
            using (batch) Answer(batch, tensors, questions, set.Texts, best, asked, answers);
        if (asked.Count == 0) return [];
        float[] probabilities = cat([.. answers.Select(some => some.Probabilities)], 0).cpu().data<float>().ToArray();
        NotANumberException.ThrowIfAny(probabilities,
            answer => $"question {asked[answer / best]} about video {set.VideoKeys[set.VideoOfText[asked[answer / best]]]}");
        long[] labels = cat([.. answers.Select(some => some.Labels)], 0).cpu().data<long>().ToArray();
        return [.. asked.Select((question, i) =>
            new Answered(question, [.. labels.AsSpan(i * best, best).ToArray().Select(label => (int)label)],
            probabilities[(i * best)..((i + 1) * best)]))];
    }

    /// <summary>
    /// Adds the questions of one batch and their best answers, flat; grad mode and autocast must not be on while the next is read.
    /// </summary>
    private void Answer(ClipBatch batch, BatchTensors tensors, ILookup<string, int> questions, TokenizedTexts texts, int best,
        List<int> asked, List<(Tensor, Tensor)> answers)
    {
        // Out of the scopes of its chunk and of its batch.
        static Tensor Keep(Tensor found) => found.flatten().MoveToOuterDisposeScope().MoveToOuterDisposeScope();

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var autocast = precision.Autocast(_device.type);
        ProjectedTokens videos_B = model.Encoder.Project(model.visual_encoder.Forward(tensors.Of(batch, 0, batch.Size).Video_BTCHW));
        var pairs = Enumerable.Range(0, batch.Size)
            .SelectMany(row => questions[batch.Keys[row]].Select(question => (Row: row, Question: question)))
            .OrderBy(pair => texts.Counts[pair.Question]);
        foreach ((int Row, int Question)[] chunk in pairs.Chunk(config.PairBatchSize))
        {
            using var chunkScope = NewDisposeScope();
            TokenizedTexts some = texts.Select([.. chunk.Select(pair => pair.Question)]);
            (Tensor ids, Tensor mask) = some.Tensors(0, some.Count, some.Counts.Max(), _device);
            Tensor rows = BatchTensors.ToDevice(tensor([.. chunk.Select(pair => (long)pair.Row)]), _device);
            ProjectedTokens text_P = model.Encoder.Project(model.Encoder.EncodeText(ids, mask)),
                video_P = videos_B.Map(part => part.index_select(0, rows));
            (Tensor values, Tensor indices) = model.Answer(text_P, mask, video_P).to(ScalarType.Float32).softmax(1).topk(best);
            asked.AddRange(chunk.Select(pair => pair.Question));
            answers.Add((Keep(values), Keep(indices)));
        }
    }
}
