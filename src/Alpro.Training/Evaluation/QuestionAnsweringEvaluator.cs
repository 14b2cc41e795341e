using Alpro.Data.Batches;
using Alpro.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>The best answers to one question.</summary>
/// <param name="Question">Number of the question.</param>
/// <param name="Labels">Labels, best first.</param>
/// <param name="Probabilities">Their probabilities.</param>
public sealed record Answered(int Question, int[] Labels, float[] Probabilities);

/// <summary>Video question answering (paper section 4.3): a video is encoded once for all of its questions.</summary>
/// <param name="model">The model.</param>
/// <param name="config">Questions of one fusion pass.</param>
/// <param name="precision">Arithmetic.</param>
public sealed class QuestionAnsweringEvaluator(AlproForQuestionAnswering model, EvaluationConfig config, Precision precision)
{
    private readonly Device _device = model.temp.device;

    /// <summary>Answers the questions of the videos that could be read, video by video; those of other videos get no answer.</summary>
    /// <param name="videos">Batches of one row per video; disposed here.</param>
    /// <param name="set">The questions.</param>
    /// <param name="best">Answers to give per question.</param>
    /// <exception cref="NotANumberException">A probability is not a number.</exception>
    public IEnumerable<Answered> Answer(IEnumerable<ClipBatch> videos, EvaluationSet set, int best = 1)
    {
        model.eval();
        var questions = Enumerable.Range(0, set.VideoOfText.Count).ToLookup(question => set.VideoKeys[set.VideoOfText[question]]);
        foreach (ClipBatch batch in videos)
            using (batch)
                foreach (Answered answered in Answer(batch, questions, set, best)) yield return answered;
    }

    /// <summary>The figures of a set's questions.</summary>
    /// <param name="set">The questions.</param>
    /// <param name="answers">What was answered.</param>
    /// <param name="withMissing">Whether questions without an answer count, as wrong; else they are left out.</param>
    public static QuestionAnsweringMetrics Metrics(EvaluationSet set, IEnumerable<Answered> answers, bool withMissing)
    {
        var chosen = answers.ToDictionary(answer => answer.Question, answer => answer.Labels[0]);
        return QuestionAnsweringMetrics.Of([.. Enumerable.Range(0, set.Answers.Count)
            .Where(question => withMissing || chosen.ContainsKey(question))
            .Select(question => new AnsweredQuestion(set.AnswerTypes[question], set.Answers[question], chosen.GetValueOrDefault(question, -1)))]);
    }

    /// <summary>The answers of one batch; a list, since grad mode and dispose scopes must not outlive a yield.</summary>
    private List<Answered> Answer(ClipBatch batch, ILookup<string, int> questions, EvaluationSet set, int best)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var autocast = precision.Autocast(_device.type);
        using var tensors = new BatchTensors(_device, model.Config.Vision.PatchSize);
        ProjectedTokens videos_B = model.Encoder.Project(model.visual_encoder.Forward(tensors.Of(batch, 0, batch.Size).Video_BTCHW));
        var answers = new List<Answered>();
        var asked = Enumerable.Range(0, batch.Size).SelectMany(row => questions[batch.Keys[row]].Select(question => (Row: row, Question: question)))
            .OrderBy(pair => set.Texts.Counts[pair.Question]);
        foreach ((int Row, int Question)[] chunk in asked.Chunk(config.PairBatchSize))
        {
            using var chunkScope = NewDisposeScope();
            TokenizedTexts texts = set.Texts.Select([.. chunk.Select(pair => pair.Question)]);
            (Tensor ids, Tensor mask) = texts.Tensors(0, texts.Count, texts.Counts.Max(), _device);
            Tensor rows = tensor([.. chunk.Select(pair => (long)pair.Row)]).to(_device);
            ProjectedTokens text_P = model.Encoder.Project(model.Encoder.EncodeText(ids, mask)), video_P = videos_B.Map(part => part.index_select(0, rows));
            Tensor scores = model.Answer(text_P, mask, video_P).to(ScalarType.Float32).softmax(1);
            (Tensor values, Tensor indices) = scores.topk(best);
            (float[] probabilities, long[] labels) = (values.cpu().contiguous().data<float>().ToArray(), indices.cpu().contiguous().data<long>().ToArray());
            NotANumberException.ThrowIfAny(probabilities, answer => $"question {chunk[answer / best].Question} about video {batch.Keys[chunk[answer / best].Row]}");
            for (int i = 0; i < chunk.Length; i++)
                answers.Add(new(chunk[i].Question, [.. labels.AsSpan(i * best, best).ToArray().Select(label => (int)label)], probabilities[(i * best)..((i + 1) * best)]));
        }
        return answers;
    }
}
