namespace Alpro.Training.Configuration.Reference;

/// <summary>
/// Why keys of the reference have no exact counterpart; for those that <see cref="ReferenceConfig"/> reads in some files, why not in the
/// others.
/// </summary>
internal static class ReferenceKeyTable
{
    private static readonly (ReferenceKeyFate Fate, string Why, string[] Keys)[] _rows =
    [
        (ReferenceKeyFate.NoEffect, "it never reached the optimizer; optimizer.weightDecay 0 is what was applied", ["weight_decay"]),
        (ReferenceKeyFate.NoEffect, "the rates of model_config are used", ["dropout"]),
        (ReferenceKeyFate.NoEffect, "only pretraining reads it: frames are decoded at crop_img_size", ["resize_size"]),
        (ReferenceKeyFate.NoEffect, "frames are chosen by number, not by time", ["fps"]),
        (ReferenceKeyFate.NoEffect, "the key that is read is n_workers", ["num_workers"]),
        (ReferenceKeyFate.NoEffect, "it is overwritten by the number of answers, 1500 at least", ["num_labels"]),
        (ReferenceKeyFate.NoEffect, "it is overwritten: cross-entropy", ["loss_type"]),
        (ReferenceKeyFate.NoEffect, "only decay multi_step reads it", ["step_decay_epochs"]),
        (ReferenceKeyFate.NoEffect, "all weights have one learning rate", ["transformer_lr_mul", "cnn_lr_decay"]),
        (ReferenceKeyFate.NoEffect, "there is one clip per video", ["score_agg_func", "random_sample_clips"]),
        (ReferenceKeyFate.NoEffect, "e2e_weights_path goes before it", ["visual_weights_path", "bert_weights_path"]),
        (ReferenceKeyFate.NoEffect, "only entity modelling without e2e_weights_path reads it",
        ["teacher_weights_path", "entity_file_path"]),
        (ReferenceKeyFate.NoEffect, "only pretraining reads it", ["num_entities", "use_itm", "use_mlm", "use_mpm"]),
        (ReferenceKeyFate.NoEffect, "it names the corpus alone", ["task"]),
        (ReferenceKeyFate.NoEffect, "use_maxpooling is false", ["maxpool_kernel_size"]),
        (ReferenceKeyFate.NoEffect, "there is no cross-attention", ["encoder_width"]),
        (ReferenceKeyFate.NoEffect, "nothing reads it", ["clip_init", "timesformer_model_cfg", "max_img_size"]),
        (ReferenceKeyFate.Adapted, "training.checkpointEvery is a number of steps", ["save_steps_ratio"]),
        (ReferenceKeyFate.Adapted, "training.validateEvery is a number of steps", ["num_valid"]),
        (ReferenceKeyFate.Adapted, "evaluation.pairBatchSize is for validation and for testing", ["eval_retrieval_batch_size"]),
        (ReferenceKeyFate.Elsewhere, "set in hocon/alpro.conf", ["n_workers", "pin_mem", "log_interval"]),
        (ReferenceKeyFate.Elsewhere, "ranks are given when a run starts; training.batchSize is what one GPU had: multiply it, and give "
        + "training.groupSize the batch of one GPU", ["n_gpu"]),
        (ReferenceKeyFate.Elsewhere, "an option of the command",
        ["output_dir", "debug", "config", "do_inference", "inference_model_step", "inference_split", "inference_img_db"]),
    ];

    /// <summary>What became of a key that was not taken over, and why.</summary>
    public static (ReferenceKeyFate Fate, string Why) Of(string key) =>
        _rows.FirstOrDefault(row => row.Keys.Contains(key)) is { Keys: not null } known ? (known.Fate, known.Why)
            : (ReferenceKeyFate.Unknown, "the reference has no such key");
}
