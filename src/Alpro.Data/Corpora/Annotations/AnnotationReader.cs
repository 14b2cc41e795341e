using System.Text;
using System.Text.Unicode;
using Alpro.Data.Media;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>The named values of one annotation row, or what is wrong with it; good until the next row is read.</summary>
internal abstract class AnnotationFields
{
    /// <summary>Why the row cannot be understood; null where it can.</summary>
    public virtual string? Problem => null;

    /// <summary>The row's names.</summary>
    public abstract IReadOnlyCollection<string> Names { get; }

    /// <summary>The values of a name: none where the row lacks it, several where it holds a list.</summary>
    public abstract IReadOnlyList<string> this[string name] { get; }

    /// <summary>Where the media bytes lie, of formats that hold them.</summary>
    public virtual MediaSource? Media => null;
}

/// <summary>A row that cannot be understood.</summary>
internal sealed class MalformedFields(string problem) : AnnotationFields
{
    public override string Problem => problem;

    public override IReadOnlyCollection<string> Names => [];

    public override IReadOnlyList<string> this[string name] => [];
}

/// <summary>Reads the rows of one annotation file in order, in whatever container they are.</summary>
internal abstract class AnnotationReader : IDisposable
{
    /// <summary>The names of the columns, of containers that declare them; null of others.</summary>
    public virtual IReadOnlyCollection<string>? Names => null;

    /// <summary>What the columns mean, of containers that have one meaning; null of others.</summary>
    public virtual AnnotationColumns? Columns => null;

    /// <summary>The rows in order; malformed ones have a problem instead of values.</summary>
    public abstract IEnumerable<AnnotationFields> Rows();

    /// <summary>Text from bytes that should be UTF-8; bytes that are not are taken for Latin-1.</summary>
    public static string Text(ReadOnlySpan<byte> bytes) => (Utf8.IsValid(bytes) ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes);

    /// <inheritdoc/>
    public abstract void Dispose();
}
