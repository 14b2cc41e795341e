using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Data.Synthetic;
using Alpro.Training.Tasks;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>
/// Folders laid out as the released checkpoints are, with the tiny golden models in place of the real ones and a small synthetic world
/// in place of MSRVTT.
/// </summary>
public sealed class ReleasedRuns : IAsyncLifetime
{
    private const int VocabularySize = 320;

    private readonly TemporaryFolder _folder = new();

    /// <summary>The folder with data, ext and output in it.</summary>
    public string Root => _folder.Path;

    /// <summary>The retrieval run.</summary>
    public string Retrieval => _folder.File("output/downstreams/msrvtt_ret/public");

    /// <summary>The question-answering run.</summary>
    public string QuestionAnswering => _folder.File("output/downstreams/msrvtt_qa/public");

    public async Task InitializeAsync()
    {
        await SyntheticWorld.CreateAsync(File("world"), new SyntheticWorldSettings { Clips = 10, TestClips = 12, Seed = 5, Side = 48 },
            null, CancellationToken.None);
        string[] pieces = System.IO.File.ReadAllLines(File("world/vocab.txt"));
        Write("ext/bert-base-uncased/vocab.txt",
            [.. pieces, .. Enumerable.Range(0, VocabularySize - pieces.Length).Select(i => $"filler{i}")]);
        Copy("world/test/retrieval.jsonl", "data/msrvtt_ret/txt/test.jsonl");
        Copy("world/val/retrieval.jsonl", "data/msrvtt_ret/txt/val.jsonl");
        Copy("world/qa/test.jsonl", "data/msrvtt_qa/txt/test.jsonl");
        Copy("world/qa/val.jsonl", "data/msrvtt_qa/txt/val.jsonl");
        Write("data/msrvtt_qa/txt/train_ans2label.json", JsonSerializer.Serialize(Answers()));
        foreach (string task in new[] { "msrvtt_ret", "msrvtt_qa" })
            foreach (string video in Directory.EnumerateFiles(File("world/test/videos"))
                .Concat(Directory.EnumerateFiles(File("world/val/videos"))))
                Copy(Path.GetRelativePath(Root, video), $"data/{task}/videos/{Path.GetFileName(video)}");
        string text = JsonNode.Parse(System.IO.File.ReadAllBytes(Path.Combine(Locations.Golden, "model",
            "config.json")))!["bert"]!.ToJsonString();
        Lay("msrvtt_ret", "retrieval.pt", text, """
            "val_datasets": [ { "name": "msrvtt_retrieval", "txt": "data/msrvtt_ret/txt/val.jsonl", "img": "data/msrvtt_ret/videos" } ]
            """);
        Lay("msrvtt_qa", "qa.pt", text, """
            "val_datasets": [ { "name": "msrvtt_qa", "txt": { "msrvtt_qa": "data/msrvtt_qa/txt/val.jsonl" }, "img": "data/msrvtt_qa/videos" } ],
            "ans2label_path": "data/msrvtt_qa/txt/train_ans2label.json", "task": "msrvtt_qa"
            """);
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>A path under <see cref="Root"/>.</summary>
    public string File(string name) => _folder.File(name);

    /// <summary>The golden model tells thirty answers apart; the world has fewer.</summary>
    private Dictionary<string, int> Answers() =>
        JsonSerializer.Deserialize<Dictionary<string, int>>(System.IO.File.ReadAllBytes(File("world/qa/train_ans2label.json")))!
        .Where(answer => answer.Value < 30).ToDictionary();

    private void Lay(string task, string checkpoint, string text, string more)
    {
        string run = $"output/downstreams/{task}/public";
        Directory.CreateDirectory(File($"{run}/ckpt"));
        System.IO.File.Copy(Path.Combine(Locations.Golden, "model", checkpoint), File($"{run}/ckpt/model_step_best.pt"));
        Write($"{run}/log/model_config.json", text);
        Write($"{run}/log/args.json", $$"""
            {
              "img_pixel_mean": [0.48145466, 0.4578275, 0.40821073], "img_pixel_std": [0.26862954, 0.26130258, 0.27577711], "img_input_format": "RGB",
              "model_config": "config_release/base_model.json", "tokenizer_dir": "ext/bert-base-uncased/", "visual_model_cfg": "config_release/timesformer.json",
              "e2e_weights_path": "output/pretrain/alpro_pretrained_ckpt.pt", "crop_img_size": 32, "num_frm": 4, "max_txt_len": 12, "fp16": 0,
              "train_batch_size": 8, "val_batch_size": 1, "inference_batch_size": 8, "num_train_epochs": 5, "output_dir": "/elsewhere", "n_gpu": 8, {{more}}
            }
            """);
    }

    private void Write(string name, params string[] lines)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File(name))!);
        System.IO.File.WriteAllLines(File(name), lines);
    }

    private void Copy(string from, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File(to))!);
        System.IO.File.Copy(File(from), File(to));
    }
}
