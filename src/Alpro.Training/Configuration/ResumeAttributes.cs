namespace Alpro.Training.Configuration;

/// <summary>
/// A setting that may differ where a run goes on. It decides when something is done or looked at, or done again for want of memory, and not
/// what is trained. Or it says where the first weights came from, which a checkpoint has in it.
/// </summary>
/// <param name="within">The settings in it that may; none for all of it.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class MayChangeAttribute(params string[] within) : Attribute, IMarksSettings
{
    public IReadOnlyList<string> Within => within;
}

/// <summary>A file that may lie elsewhere where a run goes on, under the name it had: folders may be moved.</summary>
/// <param name="within">The settings in it that may; none for the setting itself.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class MayMoveAttribute(params string[] within) : Attribute, IMarksSettings
{
    public IReadOnlyList<string> Within => within;
}

/// <summary>A mark on a setting, or on settings within it whose own records know nothing of runs.</summary>
internal interface IMarksSettings
{
    IReadOnlyList<string> Within { get; }
}
