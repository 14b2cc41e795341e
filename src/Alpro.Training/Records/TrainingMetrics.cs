using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Alpro.Training.Records;

/// <summary>What a trainer measures of itself, for whoever listens to the meter <c>Alpro.Training</c> (docs/metrics.md).</summary>
internal static class TrainingMetrics
{
    private static readonly Meter _meter = new("Alpro.Training");

    private static readonly InstrumentAdvice<double> _steps = new()
    {
        HistogramBucketBoundaries = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    };

    private static readonly InstrumentAdvice<double> _validations = new()
    {
        HistogramBucketBoundaries = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000],
    };

    private static readonly Histogram<double> _step = _meter.CreateHistogram("alpro.step.duration", "s",
        "Time of a step, waiting included.", advice: _steps);

    private static readonly Histogram<double> _phase = _meter.CreateHistogram("alpro.step.phase.duration", "s",
        "Time of one phase of a step; on a GPU some only queue their work.", advice: _steps);

    private static readonly Counter<long> _clips = _meter.CreateCounter<long>("alpro.clips.trained", "{clip}",
        "Clips of the steps done, over all ranks.");

    private static readonly Counter<long> _skipped = _meter.CreateCounter<long>("alpro.steps.skipped", "{step}",
        "Steps whose update was left out because a figure was not finite.");

    private static readonly Gauge<long> _done = _meter.CreateGauge<long>("alpro.run.step", "{step}", "Steps that the run has done.");

    private static readonly Gauge<double> _rate = _meter.CreateGauge<double>("alpro.run.throughput", "{clip}/s",
        "Clips per second of the last step, over all ranks, waiting included.");

    private static readonly Gauge<double> _loss = _meter.CreateGauge<double>("alpro.loss", null, "A loss of the last step.");

    private static readonly Gauge<double> _accuracy = _meter.CreateGauge<double>("alpro.accuracy", "1",
        "Share of right decisions of a loss in the last step.");

    private static readonly Gauge<double> _learningRate = _meter.CreateGauge<double>("alpro.learning_rate", null,
        "The learning rate of the last step.");

    private static readonly Gauge<double> _gradientNorm = _meter.CreateGauge<double>("alpro.gradient.norm", null,
        "Norm of all gradients of the last step, before clipping.");

    private static readonly Histogram<double> _validation = _meter.CreateHistogram("alpro.validation.duration", "s",
        "Time of a validation.", advice: _validations);

    private static readonly Gauge<double> _score = _meter.CreateGauge<double>("alpro.validation.score", null,
        "What decides which checkpoint is best, in the last validation; higher is better.");

    /// <summary>The spans of a trainer: made where somebody listens, and nothing otherwise.</summary>
    public static ActivitySource Activities { get; } = new("Alpro.Training");

    /// <summary>A step is done.</summary>
    /// <param name="record">What it came to.</param>
    /// <param name="clips">Its clips, over all ranks.</param>
    public static void Record(StepRecord record, int clips)
    {
        _step.Record(record.StepMs / 1000);
        foreach ((string phase, double milliseconds) in record.Phases)
            _phase.Record(milliseconds / 1000, new KeyValuePair<string, object?>("phase", phase));
        _clips.Add(clips);
        if (record.Skipped) _skipped.Add(1);
        _done.Record(record.Step + 1);
        _rate.Record(record.ClipsPerSecond);
        _loss.Record(record.Loss, Term("total"));
        foreach ((string name, TermRecord term) in record.Terms)
        {
            _loss.Record(term.Loss, Term(name));
            if (term.Accuracy is { } accuracy) _accuracy.Record(accuracy, Term(name));
        }
        _learningRate.Record(record.LearningRate);
        _gradientNorm.Record(record.GradientNorm);

        static KeyValuePair<string, object?> Term(string name) => new("term", name);
    }

    /// <summary>A validation is done.</summary>
    public static void Record(ValidationRecord record)
    {
        _validation.Record(record.Seconds);
        _score.Record(record.Score);
    }
}
