using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

public sealed class StepCurvesTests
{
    private static StepRecord Step(long step, double loss) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "",
        Loss = loss,
        Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 1e-4,
        GradientNorm = 1,
    };

    [Fact]
    public void Few_steps_are_drawn_as_they_are()
    {
        var curves = new StepCurves();
        foreach (double loss in new[] { 3.14159265, double.NaN, 2 }) curves.Add(Step(5 + curves.Draw().Count, loss));
        StepCurves.Drawn drawn = curves.Draw();
        Assert.Equal((5, 1, 0, 3), (drawn.First, drawn.Width, drawn.From, drawn.Count));
        Assert.Equal([3.1416, double.NaN, 2], drawn.Curves["loss/total"]);
    }

    [Fact]
    public void Peaks_and_dips_of_a_week_stay_in_their_order()
    {
        const int steps = 600_000;
        var curves = new StepCurves();
        for (int step = 0; step < steps; step++) curves.Add(Step(step, step switch { 123_456 => 99, 123_457 => -99, 400_000 => -7, _ => 1 }));
        StepCurves.Drawn drawn = curves.Draw();
        Assert.InRange(drawn.Count, StepCurves.MostPoints / 2, StepCurves.MostPoints);
        Assert.Equal(0, (steps + drawn.Width - 1) / drawn.Width - drawn.Count);
        double[] loss = drawn.Curves["loss/total"];
        Assert.Equal(2 * drawn.Count, loss.Length);
        int peak = Array.IndexOf(loss, 99);
        Assert.Equal<(long, double)>((123_456 / drawn.Width, -99), (peak / 2, loss[peak + 1]));
        Assert.Equal(400_000 / drawn.Width, Array.IndexOf(loss, -7) / 2);
    }

    [Fact]
    public void What_a_screen_has_is_not_drawn_again_but_for_its_last_point()
    {
        var curves = new StepCurves();
        for (int step = 0; step < 10; step++) curves.Add(Step(step, step));
        StepCurves.Drawn known = curves.Draw();
        curves.Add(Step(10, 10));
        StepCurves.Drawn more = curves.Draw(known);
        Assert.Equal((9, 11), (more.From, more.Count));
        Assert.Equal([9, 10], more.Curves["loss/total"]);
        for (int step = 11; step <= StepCurves.MostPoints; step++) curves.Add(Step(step, step));
        Assert.Equal((0, 2), (curves.Draw(more).From, curves.Draw(more).Width));
        curves.Clear();
        curves.Add(Step(3, 3));
        Assert.Equal((0, 3, 1), (curves.Draw(known).From, curves.Draw(known).First, curves.Draw(known).Count));
    }

    [Fact]
    public void Hundred_thousand_steps_take_little_memory()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var curves = new StepCurves();
        for (int step = 0; step < 100_000; step++) curves.Add(Step(step, step));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, 0, 5_000_000);
        GC.KeepAlive(curves);
    }
}
