using System.Globalization;
using System.Net;
using System.Text;
using Alpro.Actors.Evaluation;
using Alpro.Training.Evaluation;
using Alpro.Training.Tasks;

namespace Alpro.Web;

/// <summary>
/// The report of an evaluation: one page that needs no other file. It has the figures, the worst and the best of what was found with its
/// pictures, and the receipt.
/// </summary>
public static class EvaluationReport
{
    /// <summary>The file's name in a folder of results.</summary>
    public const string FileName = "report.html";

    /// <summary>Writes the report into the folder of the results.</summary>
    /// <returns>Its path.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static string Write(EvaluationResult result)
    {
        string file = Path.Combine(result.Folder, FileName);
        File.WriteAllText(file, Page(result));
        return file;
    }

    private static string Page(EvaluationResult result)
    {
        (Receipt receipt, DownstreamScores scores) = (result.Receipt, result.Scores);
        DownstreamTask task = DownstreamTask.Of(receipt.Task);
        string title = $"{char.ToUpperInvariant(task.Title[0])}{task.Title[1..]} on {Html(scores.Corpus)}";
        int found = scores.Videos - scores.Missing.Count;
        var page = new StringBuilder();
        page.AppendLine($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{title}</title>
            <style>{Read("common.css")}{Read("evaluation.css")}</style>
            </head>
            <body>
            <header>
            <h1>{title}</h1>
            <p class="quiet">{Html(result.Checkpoint)} · {receipt.Split} split · {scores.Texts} {(task.AsksQuestions ? "questions"
                : "texts")}, {found} videos · {Date(receipt.Finished)} · {Html(receipt.Host ?? "")}</p>
            </header>
            <main>
            """);
        if (scores.ToTable() is { } table) Figures(page, table);
        foreach (ExampleGroup group in result.Examples) Examples(page, group, result, found);
        LeftOut(page, receipt);
        ReceiptOf(page, receipt);
        return page.AppendLine("</main>").AppendLine("</body>").AppendLine("</html>").ToString();
    }

    private static void Figures(StringBuilder page, ScoreTable table)
    {
        page.AppendLine("<h2>Figures</h2>").AppendLine("<div class=\"card scroll figures\" tabindex=\"0\"><table>");
        page.AppendLine($"<thead><tr>{string.Concat(table.Columns.Select(name => name.Length == 0 ? "<td></td>"
            : $"<th scope=\"col\">{Html(name)}</th>"))}</tr></thead><tbody>");
        foreach (IReadOnlyList<string> row in table.Rows)
            page.AppendLine($"<tr><th scope=\"row\">{Html(row[0])}</th>"
                + $"{string.Concat(row.Skip(1).Select(cell => $"<td>{Html(cell)}</td>"))}</tr>");
        page.AppendLine("</tbody></table></div>");
    }

    private static void Examples(StringBuilder page, ExampleGroup group, EvaluationResult result, int videos)
    {
        page.AppendLine($"<h2>{group.Title}</h2>").AppendLine(
            $"<p class=\"quiet\">{(group.Examples.Count == 0 ? group.IfNone : group.About)}</p>");
        if (group.Examples.Count == 0) return;
        page.AppendLine("<div class=\"grid examples\">");
        foreach (TextExample example in group.Examples)
        {
            bool asked = example.Choices[0].Video is null;
            string said = asked ? example.IsRight ? "right" : "wrong"
                : $"rank {example.Choices.First(choice => choice.IsRight).Rank} of {videos}";
            page.AppendLine("<article class=\"card example\">");
            page.AppendLine($"<div class=\"row spread\"><h3>{Html(example.Text)}</h3>"
                + $"<span class=\"tag {(example.IsRight ? "good" : "bad")}\">{said}</span></div>");
            if (asked) Answers(page, example, result.Pictures);
            else Found(page, example, result.Pictures);
            page.AppendLine("</article>");
        }
        page.AppendLine("</div>");
    }

    private static void Found(StringBuilder page, TextExample example, IReadOnlyDictionary<int, byte[]> pictures)
    {
        page.AppendLine("<div class=\"found\">");
        foreach (FoundChoice choice in example.Choices)
        {
            string score = choice.Probability is { } match ? $"match {Percent(match)}"
                : string.Create(CultureInfo.InvariantCulture, $"similarity {choice.Similarity:0.0}");
            page.AppendLine($"<figure{(choice.IsRight ? " class=\"right\"" : "")}>{Picture(pictures, choice.Video!.Value, choice.Name)}"
                + $"<figcaption><b>{choice.Rank}</b>{Html(choice.Name)}{(choice.IsRight ? " <span class=\"tag good\">its own</span>" : "")}"
                + $"<br><span class=\"quiet\">{score}</span></figcaption></figure>");
        }
        page.AppendLine("</div>");
    }

    private static void Answers(StringBuilder page, TextExample example, IReadOnlyDictionary<int, byte[]> pictures)
    {
        page.AppendLine($"<div class=\"asked\">{Picture(pictures, example.Video, "the video")}<div><ol class=\"answers\">");
        foreach (FoundChoice choice in example.Choices)
            page.AppendLine($"<li{(choice.IsRight ? " class=\"right\"" : "")}><span>{Html(choice.Name)}</span>"
                + $"<span class=\"number quiet\">{Percent(choice.Probability!.Value)}</span>"
                + string.Create(CultureInfo.InvariantCulture, $"<i style=\"width:{100 * choice.Probability:0.0}%\"></i></li>"));
        page.AppendLine("</ol>");
        if (!example.IsRight)
            page.AppendLine($"<p class=\"small\">{(example.Truth is { } truth ? $"Right is <b>{Html(truth)}</b>."
                : "The right answer is none of the labels.")}</p>");
        page.AppendLine("</div></div>");
    }

    private static string Picture(IReadOnlyDictionary<int, byte[]> pictures, int video, string name) =>
        pictures.TryGetValue(video, out byte[]? jpeg)
            ? $"<img src=\"data:image/jpeg;base64,{Convert.ToBase64String(jpeg)}\" alt=\"Frames of {Html(name)}\">"
            : "<p class=\"quiet small\">no picture</p>";

    private static void LeftOut(StringBuilder page, Receipt receipt)
    {
        if (receipt.Missing.Count == 0 && receipt.Notes.Count == 0) return;
        page.AppendLine("<h2>What is odd about the rows</h2>").AppendLine("<div class=\"card\"><ul>");
        foreach (string note in receipt.Notes) page.AppendLine($"<li>{Html(note)}</li>");
        foreach (MissingVideo video in receipt.Missing) page.AppendLine($"<li>{Html(video.ToString())}</li>");
        page.AppendLine("</ul></div>");
    }

    private static void ReceiptOf(StringBuilder page, Receipt receipt)
    {
        page.AppendLine("<h2>Receipt</h2>").AppendLine("<div class=\"card receipt\"><table>");
        Row("finished", $"{Date(receipt.Finished)}, in {receipt.Seconds.ToString("0.0", CultureInfo.InvariantCulture)} s");
        Row("host", receipt.Host);
        Row("device", receipt.Driver is { } driver ? $"{receipt.Device}, driver {driver}" : receipt.Device);
        Row("attention", receipt.Attention);
        Row("blocks", receipt.Blocks);
        Row("program", receipt.Program);
        Row("weights", receipt.Weights);
        Row("hash of the weights", receipt.WeightHash);
        Row("annotations", receipt.Annotations);
        Row("rows", $"{receipt.Rows}, of the fingerprint {receipt.RowsHash}");
        Row("clip", $"{receipt.Clip.Frames} frames of {receipt.Clip.Size} pixels, {receipt.Clip.TextLength} tokens");
        Row("precision", $"{receipt.Precision}".ToLowerInvariant());
        Row("ranked by", receipt.Score is { } score ? $"{score}".ToLowerInvariant() : null);
        Row("shortlist", receipt.Rerank is { } shortlist ? $"{shortlist}" : null);
        Row("hash of the settings", receipt.ConfigHash);
        page.AppendLine("</table></div>");

        void Row(string name, string? value)
        {
            if (value is not null) page.AppendLine($"<tr><th scope=\"row\">{name}</th><td>{Html(value)}</td></tr>");
        }
    }

    private static string Html(string text) => WebUtility.HtmlEncode(text);

    private static string Percent(double share) => share.ToString("P1", CultureInfo.InvariantCulture);

    private static string Date(DateTimeOffset time) => time.UtcDateTime.ToString("d MMMM yyyy, HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Read(string name)
    {
        using var reader = new StreamReader(typeof(EvaluationReport).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
