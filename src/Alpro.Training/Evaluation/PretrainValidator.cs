using System.Diagnostics;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>Scores a model under pretraining on held-out clips: every loss, and every accuracy over its own denominator.</summary>
public static class PretrainValidator
{
    /// <summary>Runs the losses in evaluation mode; the score is the weighted sum of the losses, negated.</summary>
    /// <param name="model">The model; it is left in evaluation mode.</param>
    /// <param name="step">Steps done before.</param>
    /// <param name="precision">Arithmetic.</param>
    /// <param name="batches">Batches of held-out clips; disposed here. A clip that is alone in its batch, with no other to be told apart
    /// from, is left out.</param>
    /// <exception cref="DataException">No two clips could be read.</exception>
    public static ValidationRecord Validate(AlproModel model, long step, Precision precision, IEnumerable<ClipBatch> batches)
    {
        long began = Stopwatch.GetTimestamp();
        model.eval();
        using var tensors = new BatchTensors(model.temp.device, model.Config.Vision.PatchSize);
        using var figuresScope = NewDisposeScope();
        var figuresOf = new List<(int Clips, (string Name, double Weight)[] Terms, Tensor Figures)>();
        ulong number = 0;
        foreach (ClipBatch batch in batches)
        {
            using (batch)
            {
                if (batch.Size == 1) continue;
                using var scope = NewDisposeScope();
                using var noGrad = no_grad();
                using var autocast = precision.Autocast(model.temp.device.type);
                // the same negatives every time
                Generators.Seed(SeededRandom.Mix(number++, (ulong)RandomPurpose.TrainingStep), model.temp.device.type);
                IReadOnlyList<LossTerm> terms = model.Forward(tensors.Of(batch, 0, batch.Size)).Terms;
                figuresOf.Add((batch.Size, [.. terms.Select(term => (term.Name, term.Weight))], Figures(terms).MoveToOuterDisposeScope()));
            }
        }
        var sums = new OrderedDictionary<string, (double Weight, double Loss, double Clips, double Correct, double Count)>();
        foreach ((int size, (string Name, double Weight)[] terms, Tensor onDevice) in figuresOf)
        {
            double[] values = onDevice.cpu().data<double>().ToArray();           // the first of them waits for all
            for (int i = 0; i < terms.Length; i++)
            {
                (string name, double weight) = terms[i];
                (_, double loss, double clips, double correct, double count) = sums.GetValueOrDefault(name);
                sums[name] = (weight, loss + values[3 * i] * size, clips + size, correct + values[3 * i + 1], count + values[3 * i + 2]);
            }
        }
        if (sums.Count == 0)
            throw new DataException("There are no two clips to validate on: the others of data.validation cannot be read.");

        var figures = new Dictionary<string, double>();
        foreach ((string name, (_, double loss, double clips, double correct, double count)) in sums)
        {
            figures[$"{name}Loss"] = loss / clips;
            if (count > 0) figures[$"{name}Accuracy"] = correct / count;
        }
        double total = sums.Values.Sum(sum => sum.Weight * (sum.Loss / sum.Clips));
        figures["loss"] = total;
        return new(step, -total, figures, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>Loss, right decisions and decisions of each term, as one tensor on the device.</summary>
    private static Tensor Figures(IReadOnlyList<LossTerm> terms)
    {
        Tensor none = TensorOps.Constant(0, terms[0].Loss.device);
        return stack([.. terms.SelectMany(term => new[] { term.Loss, term.Correct ?? none, term.Count ?? none })
            .Select(figure => figure.to(ScalarType.Float64))]);
    }
}
