namespace Alpro.Data.Preparation.Official;

/// <summary>
/// DiDeMo for paragraph-to-video retrieval: a video's descriptions, in the order of the file, joined to one text. Videos are named without
/// the extension they were published with, since preparing makes MP4 of them.
/// </summary>
internal sealed class DidemoAnnotations : OfficialAnnotations
{
    private static readonly Dictionary<string, (long Descriptions, long Videos)> _published = new()
    {
        ["train"] = (33_005, 8_395),
        ["val"] = (4_180, 1_065),
        ["test"] = (4_021, 1_004),
    };

    public override string Files => "train_data.json, val_data.json, test_data.json";

    internal override AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices) =>
        new([.. ByPart(files, "video", "description").Select(part => Paragraphs(part.Part, Only(part.Part, part.Tables), folder))], []);

    private static PreparedPart Paragraphs(string part, OfficialTable table, PreparedFolder folder)
    {
        var videos = new OrderedDictionary<string, List<string>>();
        foreach ((_, var fields) in table.Rows("video", "description"))
        {
            string video = Path.GetFileNameWithoutExtension(fields["video"][0].Trim());
            if (!videos.TryGetValue(video, out List<string>? descriptions)) videos.Add(video, descriptions = []);
            descriptions.Add(fields["description"][0].Trim());
        }
        PreparedPart written = folder.WriteClips(part, videos.Select(video => (video.Key,
            PreparedFolder.Json(new { clip_name = video.Key, caption = string.Join(' ', video.Value) }))), "paragraphs",
            (null, _published[part].Videos));
        return With(written with { Counts = [new("descriptions", table.Count, _published[part].Descriptions), .. written.Counts] }, table);
    }
}
