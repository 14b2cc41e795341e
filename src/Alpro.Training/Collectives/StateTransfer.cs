using System.Text;
using System.Text.Json;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>Brings all ranks of a group to where the furthest of them stands.</summary>
internal static class StateTransfer
{
    private sealed record Standing(RunConfig Config, TrainState State);

    /// <summary>Gives the weights, trained or not, the moments and the state of the furthest rank, the first of equals, to all.</summary>
    /// <param name="group">The ranks.</param>
    /// <param name="config">This rank's run.</param>
    /// <param name="state">Where this rank stands.</param>
    /// <param name="model">Its model.</param>
    /// <param name="parameters">The trained part of it.</param>
    /// <param name="optimizer">Its moments.</param>
    /// <param name="torn">Told on a rank that is behind, before its numbers are overwritten: if the rest does not come, they are no
    /// step's.</param>
    /// <returns>The state.</returns>
    /// <exception cref="ConfigException">That rank's configuration or data make another run.</exception>
    /// <exception cref="CollectivesException">Those of another rank do, which is refused: the group is over.</exception>
    public static TrainState Share(ICollectives group, RunConfig config, TrainState state, AlproModel model, FlatParameters parameters,
        AdamW optimizer, Action torn)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        (long Step, long Settled)[] ranks = [.. group.AllGather(tensor([state.Step, state.Settled])).data<long>().Chunk(2)
            .Select(pair => (pair[0], pair[1]))];
        long furthest = ranks.Max(rank => rank.Step);
        int source = Array.FindIndex(ranks, rank => rank.Step == furthest);
        Standing standing = JsonSerializer.Deserialize<Standing>(Bytes(group,
            JsonSerializer.SerializeToUtf8Bytes(new Standing(config, state), ConfigLoader.Json), source), ConfigLoader.Json)!;
        ConfigProblem[] problems = [.. RunDifference.Between(standing.Config,
            config).Where(difference => difference.ChangesMeaning).Concat(RunDifference.Between(standing.State.Data, state.Data))
            .Select(difference => new ConfigProblem(difference.Path, null,
            $"is {difference.Before} on rank {source} and {difference.Now} here"))];
        int refused = Array.FindIndex([.. group.AllGather(tensor([(long)problems.Length])).data<long>()], count => count > 0);
        if (refused >= 0)
        {
            string own = string.Join("; ", problems.Select(problem => $"{problem.Path} {problem.Message}"));
            string why = Encoding.UTF8.GetString(Bytes(group, Encoding.UTF8.GetBytes(own), refused));
            if (problems.Length > 0) throw new ConfigException($"rank {group.Rank} cannot train with the others", problems);
            throw new CollectivesException(refused, group.Generation, $"cannot train with the others and was refused ({why})");
        }

        if (state.Step < furthest) torn();
        group.Broadcast(parameters.Values, source);
        parameters.Refresh();
        group.Broadcast(optimizer.FirstMoment, source);
        group.Broadcast(optimizer.SecondMoment, source);
        foreach (Tensor fixedTensor in model.state_dict().Values.Where(tensor => parameters.SectionOf(tensor) is null))
            group.Broadcast(fixedTensor, source);
        optimizer.Updates = standing.State.Updates;
        // A rank that does not write checkpoints is through with a step before the one that does.
        return standing.State with { Data = state.Data, Settled = ranks.Where(rank => rank.Step == furthest).Min(rank => rank.Settled) };
    }

    /// <summary>Gives the bytes of one rank to all.</summary>
    public static byte[] Bytes(ICollectives group, byte[] own, int source)
    {
        Tensor length = tensor([(long)own.Length]);
        group.Broadcast(length, source);
        Tensor bytes = group.Rank == source ? tensor(own) : zeros(length.item<long>(), ScalarType.Byte);
        group.Broadcast(bytes, source);
        return bytes.bytes.ToArray();
    }
}
