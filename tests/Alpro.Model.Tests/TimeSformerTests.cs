using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model.Tests;

public class TimeSformerTests
{
    [Fact]
    public void Tokens_are_patch_major_and_frame_minor()
    {
        using var scope = NewDisposeScope();
        // With no attention over time and space, a token depends on its own patch and frame alone.
        using var encoder = Encoder();
        using var noGrad = no_grad();
        encoder.eval();
        foreach (SpaceTimeBlock block in encoder.blocks)
            foreach (VisionAttention attention in new[] { block.attn,
                block.temporal_attn }) { attention.proj.weight.zero_(); attention.proj.bias!.zero_(); }
        Tensor video = randn([1, 2, 3, 16, 16]), changed = video.clone();
        changed.narrow(1, 1, 1).narrow(3, 0, 8).narrow(4, 8, 8).add_(1);                 // frame 1, patch 1 of 4
        Tensor difference = (encoder.Forward(video) - encoder.Forward(changed)).abs().sum(2).squeeze(0);
        Assert.Equal([1 + 1 * 2 + 1], Enumerable.Range(0, 9).Where(token => difference[token].item<float>() > 1e-4));
    }

    [Theory]
    [InlineData(5, 16)]
    [InlineData(2, 32)]
    [InlineData(1, 8)]
    public void Other_frame_counts_and_sizes_repeat_the_nearest_embedding(int frames, int side)
    {
        using var scope = NewDisposeScope();
        using var stored = Encoder();
        VisionConfig config = TinyModel.Config.Vision with { Frames = frames, ImageSize = side };
        using var resized = new TimeSformer(config, freezeCheckpointed: false);
        using var noGrad = no_grad();
        int old = 2, grid = side / 8;
        foreach ((string name, Tensor weight) in resized.state_dict())
        {
            Tensor source = stored.state_dict()[name];
            if (name == "time_embed") source = stack([.. Enumerable.Range(0, frames).Select(t => source[0, t * 2 / frames])]).unsqueeze(0);
            if (name == "pos_embed")
            {
                var rows = from y in Enumerable.Range(0, grid) from x in Enumerable.Range(0, grid) select source[0,
                    1 + y * old / grid * old + x * old / grid];
                source = stack([source[0, 0], .. rows]).unsqueeze(0);
            }
            weight.copy_(source);
        }
        Tensor video = randn([2, frames, 3, side, side]);
        TinyModel.AssertClose(resized.Forward(video), stored.Forward(video));
    }

    [Fact]
    public void Tokens_for_the_rest_of_the_model_are_averaged_over_time()
    {
        using var scope = NewDisposeScope();
        using var encoder = new VisionEncoder(TinyModel.Config.Vision);
        using var noGrad = no_grad();
        Tensor video = randn([2, 2, 3, 16, 16]), all = encoder.model.Forward(video), pooled = encoder.Forward(video);
        Assert.Equal([2, 5, 16], pooled.shape);
        TinyModel.AssertClose(all[1, 0], pooled[1, 0]);
        TinyModel.AssertClose((all[1, 1 + 2 * 3] + all[1, 1 + 2 * 3 + 1]) / 2, pooled[1, 1 + 3]);
    }

    [Fact]
    public void Paths_drop_in_training_only_each_sequence_by_itself_and_more_in_later_blocks()
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        Tensor all = DropPath.Draw(TinyModel.Config.Vision with { Depth = 3, DropPathRate = 0.25 }, new(200, 5, 21), CPU);
        Assert.Equal([1f], all[0].data<float>().Distinct());
        Assert.Equal([0f, 1 / 0.875f], all[1].data<float>().Distinct().Order());
        Tensor[] drop = DropPath.Factors(all, new(200, 5, 21))[2];
        Assert.Equal([200 * 21], drop[0].shape);
        Assert.Equal([200 * 5], drop[1].shape);
        Assert.Equal([200], drop[2].shape);
        Assert.Equal([0f, 1 / 0.75f], drop[0].data<float>().Distinct().Order());
        Assert.Equal(1, drop[0].mean().item<float>(), 0.05);

        using var encoder = new TimeSformer(TinyModel.Config.Vision with { DropPathRate = 0.5 }, freezeCheckpointed: false);
        using var noGrad = no_grad();
        Tensor video = randn([2, 2, 3, 16, 16]);
        Assert.NotEqual(0, (encoder.Forward(video) - encoder.Forward(video)).abs().sum().item<float>());
        encoder.eval();
        TinyModel.AssertEqual(encoder.Forward(video), encoder.Forward(video));
    }

    [Fact]
    public void Attention_is_the_softmax_of_scaled_products()
    {
        using var scope = NewDisposeScope();
        using var attention = new VisionAttention(TinyModel.Config.Vision);
        using var noGrad = no_grad();
        Tensor x = randn(2, 5, 16), qkv = attention.qkv.call(x).view(2, 5, 3, 2, 8).permute(2, 0, 3, 1, 4);
        Tensor weights = (einsum("bhqd,bhkd->bhqk", qkv[0], qkv[1]) / Math.Sqrt(8)).softmax(-1);
        Tensor expected = attention.proj.call(einsum("bhqk,bhkd->bhqd", weights, qkv[2]).transpose(1, 2).reshape(2, 5, 16));
        Tensor context = attention.Context(x.flatten(0, 1), new(2, 1, 5), TorchArithmetic.Instance);
        TinyModel.AssertClose(expected.flatten(0, 1), attention.proj.call(context));
    }

    [Theory, InlineData(16, 24), InlineData(19, 30)]
    public void Patch_vectors_are_those_of_the_convolution(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var embedding = new PatchEmbedding(TinyModel.Config.Vision);
        using var noGrad = no_grad();
        Tensor frames = randn([3, 3, height, width]);
        TinyModel.AssertClose(embedding.proj.call(frames).flatten(2).transpose(1, 2), embedding.Forward(frames));
    }

    private static TimeSformer Encoder()
    {
        manual_seed(7);
        var encoder = new TimeSformer(TinyModel.Config.Vision, freezeCheckpointed: false);
        using var noGrad = no_grad();
        encoder.time_embed.normal_();
        encoder.pos_embed.normal_();
        return encoder;
    }
}
