using System.Text.Json;
using Alpro.Data.Corpora;
using Alpro.Data.Places;
using Alpro.Data.Preparation;

namespace Alpro.Data.Packs;

/// <summary>What a pack holds and what it saves (<c>pack-report.json</c>). All rows are accounted for: packed, or unreadable.</summary>
/// <param name="Corpus">The corpus's name.</param>
/// <param name="Index">The pack's index: the annotations of the packed corpus.</param>
/// <param name="Coverage">The rows of the annotations, and those that are in the pack.</param>
/// <param name="Covers">The coverage in a sentence.</param>
/// <param name="Rows">Rows in the pack.</param>
/// <param name="Clips">Different clips in the pack; several rows may be about one.</param>
/// <param name="Unreadable">Rows that are not in the pack because their clip cannot be read, by reason.</param>
/// <param name="Frames">Frames of the clips.</param>
/// <param name="Shards">Shards.</param>
/// <param name="BytesBefore">Bytes of the clips' sources; null where they lie in a store, which is not asked for each.</param>
/// <param name="BytesAfter">Bytes of the clips in the pack.</param>
/// <param name="IndexBytes">Bytes of the index.</param>
/// <param name="Sample">What reading some clips costs, and how near they are to their sources.</param>
internal sealed record PackReport(string Corpus, string Index, CorpusCoverage Coverage, string Covers, long Rows, int Clips,
    IReadOnlyDictionary<string, int> Unreadable, long Frames, int Shards, long? BytesBefore, long BytesAfter, long IndexBytes,
    PackSample Sample)
{
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Names of the report and of the list of what is not in the pack.</summary>
    public const string Name = "pack-report.json", ListName = "unreadable.csv";

    /// <summary>The report of a place that holds the whole pack; null where it does not.</summary>
    public static PackReport? OfFinished(string place, string fingerprint)
    {
        if (RowIndex.FingerprintAt(Place.Combine(place, CorpusPacker.IndexName)) != fingerprint) return null;
        try
        {
            using var report = Place.Open(Place.Combine(place, Name));
            return JsonSerializer.Deserialize<PackReport>(report.ReadAll(), _json);
        }
        catch (PlaceException exception) when (exception.Fault == PlaceFault.Missing)
        {
            return null;
        }
    }

    /// <summary>Writes the index of a pack whose shards are finished, the list of what is not in it, and the report.</summary>
    /// <exception cref="DataException">There is nothing in it.</exception>
    public static PackReport Of(VideoTextCorpus corpus, PackMembers members, PackFolder made, string fingerprint, PackSettings settings)
    {
        List<UnreadableRow> unreadable = [];
        List<int> clips = [];
        (long frames, long? before, long after) = (0, corpus.IsStored ? null : 0, 0);
        using RowIndex.Writer writer = new(made.Index);
        for (long row = 0; row < corpus.Count; row++)
        {
            VideoTextPair pair = corpus[row];
            int member = members.MemberOf(row);
            IndexedRow packed = made[member];
            if (ShardWriter.TroubleOf(packed) is { } trouble)
            {
                unreadable.Add(new(row, trouble.Path, trouble.Reason, trouble.Finding));
                continue;
            }
            writer.Add(packed with
            {
                Key = pair.Key,
                Captions = pair.Captions,
                Answer = pair.Answer ?? "",
                AnswerType = pair.AnswerType ?? "",
            });
            if (members.RowsOf(member)[0] != row) continue;
            clips.Add(member);
            frames += packed.Packed!.Sizes.Length;
            if (before is not null) before += pair.Media.Length > 0 ? pair.Media.Length : new FileInfo(pair.Media.Path).Length;
            after += packed.Length;
        }
        string list = Path.Combine(made.Folder, ListName);
        CorpusScanner.WriteList(list, corpus.Name, unreadable);
        if (clips.Count == 0)
            throw new DataException($"corpus {corpus.Name}: none of its {members.Count} clips can be read; {list} says why");
        CorpusCoverage coverage = corpus.Coverage with
        {
            Missing = corpus.Coverage.Missing + unreadable.Count,
            Duplicates = writer.Duplicates(),
        };
        writer.Finish(new(fingerprint, writer.Content, corpus.Kind, coverage, corpus.Problems, []));

        PackReport report = new(corpus.Name, Place.Combine(made.Place, CorpusPacker.IndexName), coverage,
            coverage.Describe(corpus.Kind), corpus.Count - unreadable.Count, clips.Count,
            unreadable.CountBy(row => $"{row.Reason}").OrderByDescending(reason => reason.Value)
            .ToDictionary(reason => reason.Key, reason => reason.Value), frames, made.Shards, before, after,
            new FileInfo(made.Index).Length, PackSample.Of(corpus, members, made, clips, settings));
        string path = Path.Combine(made.Folder, Name), aside = $"{path}.tmp";
        File.WriteAllBytes(aside, JsonSerializer.SerializeToUtf8Bytes(report, _json));
        File.Move(aside, path, overwrite: true);
        return report;
    }
}
