using System.Text.Json;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

public class StateDictTests
{
    private static readonly JsonElement _golden =
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Locations.Golden, "state_dict_keys.json"))).RootElement;

    public static TheoryData<string> Models => ["pretrain", "prompter", "retrieval", "qa"];

    [Theory, MemberData(nameof(Models))]
    public void Keys_shapes_and_types_are_the_checkpoints_at_full_size(string name)
    {
        using AlproModel model = Build(name);
        var expected = _golden.GetProperty(name).EnumerateObject()
            .Select(entry => $"{entry.Name} {entry.Value[0].GetRawText().Replace("\n", "", StringComparison.Ordinal)} {entry.Value[1]}");
        var actual = model.state_dict().Select(entry =>
            $"{entry.Key} [{string.Join(',', entry.Value.shape)}] {entry.Value.dtype.ToString().ToLowerInvariant()}");
        Assert.Equal(expected.Order(), actual.Order());
    }

    [Fact]
    public void A_tied_weight_is_one_parameter()
    {
        using var model = TinyModel.Pretrain();
        Assert.DoesNotContain(model.named_parameters(), named => named.name.Contains("decoder", StringComparison.Ordinal));
        // the model's and its prompter's
        Assert.Equal(2, model.named_parameters().Count(named => named.name.EndsWith("word_embeddings.weight", StringComparison.Ordinal)));
        using var noGrad = no_grad();
        var state = model.state_dict();
        state["text_encoder.cls.predictions.decoder.weight"].fill_(0.25);
        state["text_encoder.cls.predictions.decoder.bias"].fill_(0.5);
        Assert.Equal(0.25f, model.text_encoder.bert.embeddings.word_embeddings.weight!.min().item<float>());
        Assert.Equal(0.5f, model.text_encoder.cls.predictions.bias.min().item<float>());
    }

    [Fact]
    public void The_masked_language_head_trains_the_word_embeddings()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        model.Forward(TinyModel.Inputs()).Total.backward();
        Tensor gradient = model.text_encoder.bert.embeddings.word_embeddings.weight!.grad!;
        Assert.True((gradient.abs().sum(1) > 0).all().item<bool>());                 // every row: the decoder scores every word piece
    }

    private static AlproModel Build(string name) => name switch
    {
        "pretrain" => new AlproForPretrain(new ModelConfig()),
        "prompter" => new Prompter(new ModelConfig()),
        "retrieval" => new AlproForRetrieval(new ModelConfig { Vision = new VisionConfig { Frames = 8 } }),
        _ => new AlproForQuestionAnswering(new ModelConfig { Vision = new VisionConfig { Frames = 16 } }),
    };
}
