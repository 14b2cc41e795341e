using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace Alpro.Training.Search;

/// <summary>A window as a record of a vector store.</summary>
public sealed record IndexedWindow
{
    /// <summary>The key: its number in the index.</summary>
    public int Number { get; init; }

    /// <summary>Number of its file.</summary>
    public int File { get; init; }

    /// <summary>Name of its file.</summary>
    public string Name { get; init; } = "";

    /// <summary>Length of its file's video in seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>Where it begins, in seconds.</summary>
    public double Start { get; init; }

    /// <summary>Where it ends, in seconds.</summary>
    public double End { get; init; }

    /// <summary>Its feature, normalised; empty where vectors were not asked for.</summary>
    public ReadOnlyMemory<float> Vector { get; init; }
}

/// <summary>
/// An index as the collection of a vector store, as .NET programs expect one. It reads and searches, exactly; windows come from videos, so
/// they are not written here.
/// </summary>
/// <param name="index">The index, which the collection does not dispose.</param>
/// <param name="encode">Makes the feature of a text; null where texts are not searched for.</param>
public sealed class WindowCollection(SearchIndex index, Func<string, CancellationToken, Task<float[]>>? encode = null)
    : VectorStoreCollection<int, IndexedWindow>
{
    private const string ReadOnly = "The windows of an index come from videos: 'alpro index' writes them.";

    /// <inheritdoc/>
    public override string Name => Path.GetFileName(index.Folder);

    /// <summary>What a record consists of, for another store that shall have the same windows.</summary>
    /// <param name="width">Numbers of a feature.</param>
    public static VectorStoreCollectionDefinition DefinitionOf(int width) => new()
    {
        Properties =
        [
            new VectorStoreKeyProperty(nameof(IndexedWindow.Number), typeof(int)),
            new VectorStoreDataProperty(nameof(IndexedWindow.File), typeof(int)) { IsIndexed = true },
            new VectorStoreDataProperty(nameof(IndexedWindow.Name), typeof(string)) { IsIndexed = true },
            new VectorStoreDataProperty(nameof(IndexedWindow.Seconds), typeof(double)) { IsIndexed = true },
            new VectorStoreDataProperty(nameof(IndexedWindow.Start), typeof(double)),
            new VectorStoreDataProperty(nameof(IndexedWindow.End), typeof(double)),
            new VectorStoreVectorProperty(nameof(IndexedWindow.Vector), typeof(ReadOnlyMemory<float>), width)
            {
                DistanceFunction = DistanceFunction.CosineSimilarity,
                IndexKind = IndexKind.Flat,
            },
        ],
    };

    /// <inheritdoc/>
    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(true);

    /// <inheritdoc/>
    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    /// <summary>Not supported.</summary>
    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("An index is a folder: remove that.");

    /// <inheritdoc/>
    public override Task<IndexedWindow?> GetAsync(int key, RecordRetrievalOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Task.FromResult(key >= 0 && key < index.Count ? RecordOf(key, options?.IncludeVectors ?? false) : null);

    /// <inheritdoc/>
    public override async IAsyncEnumerable<IndexedWindow> GetAsync(Expression<Func<IndexedWindow, bool>> filter, int top,
        FilteredRecordRetrievalOptions<IndexedWindow>? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (options?.OrderBy is not null) throw new NotSupportedException("Windows come in the order of the index.");
        Func<IndexedWindow, bool> wanted = filter.Compile();
        await Task.CompletedTask;
        bool vectors = options?.IncludeVectors ?? false;
        foreach (IndexedWindow window in Enumerable.Range(0, index.Count).Select(number => RecordOf(number, vectors)).Where(wanted)
            .Skip(options?.Skip ?? 0).Take(top))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return window;
        }
    }

    /// <summary>Finds the windows that are most similar, best first, by the exact product with all of them.</summary>
    /// <typeparam name="TInput">A feature (<c>ReadOnlyMemory&lt;float&gt;</c>, <c>float[]</c>, <c>Embedding&lt;float&gt;</c>), or a text
    /// where the collection can encode one.</typeparam>
    /// <param name="searchValue">What is looked for.</param>
    /// <param name="top">How many, at most.</param>
    /// <param name="options">Filter, threshold, and how many to leave out at the beginning.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public override async IAsyncEnumerable<VectorSearchResult<IndexedWindow>> SearchAsync<TInput>(TInput searchValue, int top,
        VectorSearchOptions<IndexedWindow>? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<float> query_F = searchValue switch
        {
            ReadOnlyMemory<float> feature => feature,
            float[] feature => feature,
            Embedding<float> embedding => embedding.Vector,
            string text when encode is not null => await encode(text, cancellationToken),
            _ => throw new NotSupportedException($"Windows cannot be looked for by a value of {typeof(TInput)}: give a feature"
                + $"{(encode is null ? "" : " or a text")}."),
        };
        Func<IndexedWindow, bool>? filter = options?.Filter?.Compile();
        int skip = options?.Skip ?? 0;
        foreach (SimilarWindow found in ExactSearch.Top(index, query_F.Span, top + skip,
            filter is null ? null : number => filter(RecordOf(number, vector: false))).Skip(skip))
        {
            if (found.Similarity < options?.ScoreThreshold) yield break;
            yield return new(RecordOf(found.Window, options?.IncludeVectors ?? false), found.Similarity);
        }
    }

    /// <summary>Not supported.</summary>
    public override Task DeleteAsync(int key, CancellationToken cancellationToken = default) => throw new NotSupportedException(ReadOnly);

    /// <summary>Not supported.</summary>
    public override Task UpsertAsync(IndexedWindow record, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException(ReadOnly);

    /// <summary>Not supported.</summary>
    public override Task UpsertAsync(IEnumerable<IndexedWindow> records, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException(ReadOnly);

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(VectorStoreCollectionMetadata) ? new VectorStoreCollectionMetadata
        {
            VectorStoreSystemName = "alpro",
            VectorStoreName = index.Folder,
            CollectionName = Name,
        }
        : serviceType == typeof(SearchIndex) ? index : serviceType.IsInstanceOfType(this) ? this : null;

    private IndexedWindow RecordOf(int number, bool vector)
    {
        Window window = index[number];
        IndexedFile file = index.File(window.File);
        return new()
        {
            Number = number,
            File = window.File,
            Name = file.Name,
            Seconds = file.Seconds,
            Start = window.Start,
            End = window.End,
            Vector = vector ? Array.ConvertAll(index.Feature(number).ToArray(), static value => (float)value) : default,
        };
    }
}
