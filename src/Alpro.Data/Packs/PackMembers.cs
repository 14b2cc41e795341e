using System.IO.Hashing;
using System.Runtime.InteropServices;
using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Data.Packs;

/// <summary>
/// The different clips of a corpus, numbered in the order of their first rows. Several rows may be about one clip, such as the questions
/// about a video; it is packed once.
/// </summary>
internal sealed class PackMembers
{
    private readonly int[] _memberOfRow, _begins, _rows;

    private PackMembers(int[] memberOfRow, int count)
    {
        _memberOfRow = memberOfRow;
        _begins = new int[count + 1];
        foreach (int member in memberOfRow) _begins[member + 1]++;
        for (int member = 0; member < count; member++) _begins[member + 1] += _begins[member];
        int[] next = [.. _begins];
        _rows = new int[memberOfRow.Length];
        for (int row = 0; row < memberOfRow.Length; row++) _rows[next[memberOfRow[row]]++] = row;
    }

    /// <summary>Their number.</summary>
    public int Count => _begins.Length - 1;

    /// <summary>The clip of a row.</summary>
    public int MemberOf(long row) => _memberOfRow[row];

    /// <summary>The rows about a clip, ascending.</summary>
    public ReadOnlySpan<int> RowsOf(int member) => _rows.AsSpan(_begins[member].._begins[member + 1]);

    /// <summary>Finds the clips of a corpus.</summary>
    public static PackMembers Of(VideoTextCorpus corpus, CancellationToken cancellation)
    {
        Dictionary<ulong, int> numbers = [];                        // hashes: a corpus may have ten million rows
        int[] memberOfRow = new int[corpus.Count];
        for (int row = 0; row < memberOfRow.Length; row++)
        {
            cancellation.ThrowIfCancellationRequested();
            MediaSource media = corpus[row].Media;
            ulong hash = XxHash3.HashToUInt64(MemoryMarshal.AsBytes(media.Path.AsSpan()), media.Offset);
            if (numbers.TryAdd(hash, numbers.Count)) memberOfRow[row] = numbers.Count - 1;
            else memberOfRow[row] = numbers[hash];
        }
        return new(memberOfRow, numbers.Count);
    }
}
