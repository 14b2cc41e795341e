using System.Net;
using System.Text;
using System.Text.Json;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;

namespace Alpro.Training.Records;

/// <summary>What became of a run, as one self-contained page: curves, speed, the ledger of clips and the configuration.</summary>
internal static class Report
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: light-dark(#1d2433, #e6e9ef); --quiet: light-dark(#667085, #98a2b3); --line: light-dark(#e4e7ec, #343b49); --card: light-dark(#fff, #1b202b) }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: light-dark(#f6f7f9, #12161e); margin: 0 auto; max-width: 1180px; padding: 2rem 1rem }
        h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .6rem } p { color: var(--quiet); margin: .2rem 0 1rem }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 12px }
        figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 0; padding: 12px }
        figcaption { font-weight: 600; margin-bottom: 4px } svg { width: 100%; height: auto; display: block } svg text { font-size: 11px; fill: var(--quiet) }
        .key { font-size: 12px; color: var(--quiet); margin-right: 12px } .key i { display: inline-block; width: 10px; height: 3px; margin-right: 5px; vertical-align: middle }
        table { border-collapse: collapse } td { padding: 2px 18px 2px 0 } td + td { text-align: right; font-variant-numeric: tabular-nums }
        pre { overflow: auto; font-size: 13px }
        .bar { display: flex; height: 14px; border-radius: 4px; overflow: hidden; margin: 8px 0 }
        .dot { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px }
        """;

    /// <summary>Writes the page from the records in a run's output folder.</summary>
    /// <param name="folder">The output folder; the page is its <see cref="RunFolder.Report"/>.</param>
    /// <param name="config">The run.</param>
    /// <param name="ledger">What became of the clips: names and numbers.</param>
    /// <returns>The page's path.</returns>
    public static string Write(RunFolder folder, RunConfig config, IReadOnlyList<KeyValuePair<string, string>> ledger)
    {
        StepRecord[] steps = [.. RunLog.Read<StepRecord>(folder.Steps)];
        ValidationRecord[] validations = [.. RunLog.Read<ValidationRecord>(folder.Validations)];
        EvaluationRecord[] evaluations = [.. RunLog.Read<EvaluationRecord>(folder.Evaluations).OrderBy(evaluation => evaluation.Step)];
        string page = Page(config, ledger, steps, validations, evaluations, Time(folder));
        WholeFile.Write(folder.Report, stream => stream.Write(Encoding.UTF8.GetBytes(page)));
        WholeFile.Write(folder.Ledger, stream => JsonSerializer.Serialize(stream, ledger));
        return folder.Report;
    }

    /// <summary>
    /// Writes the page of a run that is over once more, with the evaluations that were made since; does nothing while there is no page.
    /// </summary>
    public static void Refresh(RunFolder folder, RunConfig config)
    {
        if (!File.Exists(folder.Ledger)) return;
        Write(folder, config, JsonSerializer.Deserialize<KeyValuePair<string, string>[]>(File.ReadAllBytes(folder.Ledger))!);
    }

    private static string Page(RunConfig config, IReadOnlyList<KeyValuePair<string, string>> ledger, StepRecord[] steps,
        ValidationRecord[] validations, EvaluationRecord[] evaluations, string time)
    {
        string task = config.Task.ToString().ToLowerInvariant();
        var page = new StringBuilder();
        page.AppendLine($"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{task} run</title><style>{Style}</style></head><body>
            <h1>{task} run</h1>
            <p>{Summary(steps)}</p>
            {time}
            <div class="grid">
            """);
        string[] terms = [.. steps.SelectMany(step => step.Terms.Keys).Distinct()];
        page.Append(Chart("Loss", [Line("total", steps, step => step.Loss),
            .. terms.Where(_ => terms.Length > 1).Select(term => Line(term, steps, step => step.Terms.GetValueOrDefault(term)?.Loss))]));
        page.Append(Chart("Accuracy", [.. terms.Select(term => Line(term, steps, step => step.Terms.GetValueOrDefault(term)?.Accuracy))]));
        foreach (string figure in validations.SelectMany(validation => validation.Figures.Keys).Distinct())
            page.Append(Chart($"Validation: {figure}",
                [new(figure, [.. validations.Where(validation => validation.Figures.ContainsKey(figure))
                .Select(validation => ((double)validation.Step, validation.Figures[figure]))])]));
        foreach ((string corpus, string figure) in evaluations.SelectMany(evaluation => evaluation.Figures.Keys,
            (evaluation, figure) => (evaluation.Corpus, figure)).Distinct())
            page.Append(Chart($"{corpus}: {figure}",
                [new(figure, [.. evaluations.Where(evaluation => evaluation.Corpus == corpus)
                .Select(evaluation => ((double)evaluation.Step, evaluation.Figures[figure]))])]));
        page.Append(Chart("Learning rate", [Line("learning rate", steps, step => step.LearningRate)]));
        page.Append(Chart("Gradient norm, before clipping", [Line("norm", steps, step => step.GradientNorm)]));
        page.Append(Chart("Clips per second", [Line("clips/s", steps, step => step.ClipsPerSecond)]));
        page.Append(Chart("Share of the time spent waiting for data", [Line("wait", steps, step => step.WaitShare)]));
        page.Append(Chart("Milliseconds per step",
            [Line("wait", steps, step => step.WaitMs), Line("transfer", steps, step => step.TransferMs),
            Line("forward", steps, step => step.ForwardMs), Line("backward", steps, step => step.BackwardMs),
            Line("reduce", steps, step => step.ReduceMs), Line("optimizer", steps, step => step.OptimizerMs)]));
        page.Append(Chart("Resident memory, MB", [Line("memory", steps, step => step.ResidentMb)]));
        page.AppendLine("</div>");
        page.AppendLine("<h2>Ledger</h2><div class=\"card\"><table>");
        foreach ((string name, string value) in ledger) page.AppendLine(
            $"<tr><td>{WebUtility.HtmlEncode(name)}</td><td>{WebUtility.HtmlEncode(value)}</td></tr>");
        page.AppendLine("</table></div>");
        page.AppendLine("<h2>Configuration</h2><div "
            + $"class=\"card\"><pre>{WebUtility.HtmlEncode(ConfigLoader.ToJson(config))}</pre></div></body></html>");
        return page.ToString();
    }

    /// <summary>The verdict, and where the wall time went: nothing where neither is known.</summary>
    private static string Time(RunFolder folder)
    {
        var page = new StringBuilder();
        if (RunStatus.Read(folder) is { } status)
            page.AppendLine($"<p><strong>{WebUtility.HtmlEncode(status.Verdict.ToString())}</strong></p>");
        if (TimeAccount.Of(folder) is not { Seconds: > 0 } account) return page.ToString();
        page.AppendLine($"<h2>Where the time went</h2><div class=\"card\"><p>{account.Words}</p><div class=\"bar\">");
        foreach ((TimeCause cause, double seconds) in account.Parts)
            page.Append($"<span style=\"width:{100 * Math.Max(0, seconds) / account.Seconds:F2}%;background:{Colour(cause)}\"></span>");
        page.AppendLine("</div><table>");
        foreach ((TimeCause cause, double seconds) in account.Parts)
            page.AppendLine($"<tr><td><span class=\"dot\" style=\"background:{Colour(cause)}\"></span>{TimeAccount.Name(cause)}</td>"
                + $"<td>{TimeAccount.Clock(seconds)}</td><td>{seconds / account.Seconds:P1}</td></tr>");
        return page.AppendLine("</table></div>").ToString();

        static string Colour(TimeCause cause) => cause == TimeCause.Training ? "#2f9e5b" : $"hsl({(int)cause * 137 % 360} 55% 55%)";
    }

    private static string Summary(StepRecord[] steps)
    {
        if (steps.Length == 0) return "No step was done.";
        double seconds = steps.Sum(step => step.StepMs + step.BetweenMs) / 1000, wait = steps.Sum(step => step.WaitMs) / 1000;
        double clips = steps.Sum(step => step.ClipsPerSecond * (step.StepMs + step.BetweenMs) / 1000);
        return $"{steps.Length} steps, {clips:F0} clips in {(int)(seconds / 3600):00}:{TimeSpan.FromSeconds(seconds):mm\\:ss}: "
            + $"{clips / seconds:F1} clips per second, {wait / seconds:P1} of the time waiting for data. "
            + $"Loss {steps[0].Loss:F3} at first, {steps[^1].Loss:F3} at last; {steps.Count(step => step.Skipped)} steps skipped, "
            + $"{steps[^1].Rejected} clips rejected.";
    }

    private static Curve Line(string name, StepRecord[] steps, Func<StepRecord, double?> figure) =>
        new(name, [.. steps.Select(step => ((double)step.Step, Value: figure(step)))
        .Where(point => point.Value is { } value && double.IsFinite(value)).Select(point => (point.Item1, point.Value!.Value))]);

    private static string Chart(string title, IReadOnlyList<Curve> curves)
    {
        const double width = 360, height = 190, left = 46, right = 8, top = 8, bottom = 20;
        string[] colours = ["#2e6bd6", "#d9622b", "#2f9e5b", "#9a4fd0", "#c23b6b", "#8a7a1f"];
        curves = [.. curves.Where(curve => curve.Points.Count > 0)];
        if (curves.Count == 0) return "";
        (double X, double Y)[] all = [.. curves.SelectMany(curve => curve.Thinned())];
        (double minX, double maxX, double minY, double maxY) = (all.Min(point => point.X), all.Max(point => point.X),
            all.Min(point => point.Y), all.Max(point => point.Y));
        if (maxY - minY < 1e-12) (minY, maxY) = (minY - Math.Max(1e-12, Math.Abs(minY) / 20), maxY + Math.Max(1e-12, Math.Abs(maxY) / 20));
        if (maxX <= minX) maxX = minX + 1;

        var chart = new StringBuilder();
        chart.Append($"<figure><figcaption>{WebUtility.HtmlEncode(title)}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" "
            + $"aria-label=\"{WebUtility.HtmlEncode(title)}\">");
        for (int i = 0; i <= 4; i++)
        {
            double value = minY + (maxY - minY) * i / 4, y = Y(value);
            chart.Append($"<line x1=\"{left}\" x2=\"{width - right}\" y1=\"{y:F1}\" y2=\"{y:F1}\" stroke=\"var(--line)\"/><text "
                + $"x=\"{left - 5}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{value:G3}</text>");
        }
        chart.Append($"<text x=\"{left}\" y=\"{height - 5}\">{minX:F0}</text><text x=\"{width - right}\" y=\"{height - 5}\" "
            + $"text-anchor=\"end\">step {maxX:F0}</text>");
        for (int i = 0; i < curves.Count; i++)
        {
            string[] points = [.. curves[i].Thinned()
                .Select(point => ($"{left + (width - left - right) * (point.X - minX) / (maxX - minX):F1},{Y(point.Y):F1}"))];
            // A line of one point has no length, but round ends.
            chart.Append($"<polyline points=\"{string.Join(' ', points.Length == 1 ? [.. points, .. points] : points)}\" fill=\"none\" "
                + $"stroke=\"{colours[i % colours.Length]}\" stroke-width=\"{(points.Length == 1 ? 6 : 1.5)}\" stroke-linecap=\"round\"/>");
        }
        chart.Append("</svg>");
        for (int i = 0; i < curves.Count && curves.Count > 1; i++) chart.Append("<span class=\"key\"><i "
            + $"style=\"background:{colours[i % colours.Length]}\"></i>{WebUtility.HtmlEncode(curves[i].Name)}</span>");
        return chart.AppendLine("</figure>").ToString();

        double Y(double value) => top + (height - top - bottom) * (1 - (value - minY) / (maxY - minY));
    }

    /// <summary>A line of a chart.</summary>
    private sealed record Curve(string Name, IReadOnlyList<(double X, double Y)> Points)
    {
        private const int Most = 300;

        /// <summary>At most as many points as a chart has room for, each the mean of its neighbours.</summary>
        public IEnumerable<(double X, double Y)> Thinned() => Points.Count <= Most ? Points
            : Points.Chunk((Points.Count + Most - 1) / Most).Select(part => (part[^1].X, part.Average(point => point.Y)));
    }
}
