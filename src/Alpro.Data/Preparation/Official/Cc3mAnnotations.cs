using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Alpro.Data.Preparation.Official;

/// <summary>How whoever downloaded the images of CC3M named them.</summary>
internal enum ImageNames
{
    /// <summary>By the row's number, from 0: <c>123.jpg</c>.</summary>
    Row,

    /// <summary>As img2dataset writes files, 10,000 to a folder: <c>00000/000000123.jpg</c>.</summary>
    Img2dataset,

    /// <summary>By the CRC-32 of the address, in the folder <c>training</c> or <c>validation</c>, without extension.</summary>
    Crc32,
}

/// <summary>CC3M: the owners' TSV of caption and address, which has no header, becomes a JSON list of images and captions.</summary>
internal sealed class Cc3mAnnotations : OfficialAnnotations
{
    private const int ImagesPerFolder = 10_000;

    public override string Files => "Train_GCC-training.tsv, Validation_GCC-1.1.0-Validation.tsv";

    internal override AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices) => new(
        [.. ByPart(files, "caption", "url").Select(part => WritePart(part.Part, Only(part.Part, part.Tables), folder, choices.Images))],
        [$"images are named {choices.Images switch
        {
            ImageNames.Row => "by row number, such as 123.jpg",
            ImageNames.Img2dataset => "as img2dataset does, such as 00000/000000123.jpg",
            _ => "by the CRC-32 of their address",
        }}"]);

    private static PreparedPart WritePart(string part, OfficialTable table, PreparedFolder folder, ImageNames names)
    {
        string file = folder.Write($"{part}.json", Lines());
        return With(new(part, file, [new("rows", table.Count, part == "train" ? 3_318_333 : 15_840)]), table);

        IEnumerable<string> Lines()
        {
            char before = '[';
            foreach ((long number, var fields) in table.Rows("caption", "url"))
            {
                yield return before + PreparedFolder.Json(new
                {
                    image = ImageOf(number, fields["url"][0].Trim(), part, names),
                    caption = fields["caption"][0].Trim(),
                });
                before = ',';
            }
            yield return "]";
        }
    }

    private static string ImageOf(long row, string address, string part, ImageNames names) => names switch
    {
        ImageNames.Row => string.Create(CultureInfo.InvariantCulture, $"{row}.jpg"),
        ImageNames.Img2dataset => string.Create(CultureInfo.InvariantCulture, $"{row / ImagesPerFolder:D5}/{row:D9}.jpg"),
        _ => string.Create(CultureInfo.InvariantCulture,
            $"{(part == "train" ? "training" : "validation")}/{Crc32.HashToUInt32(Encoding.UTF8.GetBytes(address))}"),
    };
}
