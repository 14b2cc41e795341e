#!/usr/bin/env python3
"""The pretraining step in PyTorch, as a peer of ours: the same model, masks, losses and optimizer, as PyTorch is written today.

    step.py --check WEIGHTS INPUTS      losses and gradient norm of one batch, dropout off: compare them with ours
    step.py --time --batch 16           full-size steps with random weights and inputs
    step.py --micro                     a table of single operations

Results are JSON lines on stdout, and in --json FILE; --table adds an aligned table on stderr. Parameter names are our checkpoints' keys.

What the peer has of our savings: no context frames; plain and masked texts in one pass; positives, negatives and masked texts in one
fusion pass; the last fusion layer computes the class row of negatives and the text rows of masked texts; vocabulary scores at masked
positions only, which the host knows; contrastive logits in fp32; no wait for the device in a step. What it lacks: the prompter and the
positives compute all rows of their last layer; one row's query is not brought to the tokens instead of their keys and values to it;
temporal attention has a sequence for each patch (--packed: several patches in one, as ours).
"""
import argparse
import contextlib
import dataclasses
import json
import math
import resource
import statistics
import struct
import sys
import time
import traceback
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

# B clips, T frames, N patches of a frame, D width, L text tokens, P texts or pairs, M tokens of a sequence, d width of a head.


@dataclasses.dataclass
class Sizes:
    image: int = 224
    patch: int = 16
    frames: int = 4
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp: int = 3072
    drop_path: float = 0.1
    vocabulary: int = 30522
    layers: int = 12
    fusion_layer: int = 6
    text_heads: int = 12
    intermediate: int = 3072
    positions: int = 512
    dropout: float = 0.1
    attention_dropout: float = 0.1
    projection: int = 256
    entities: int = 1000
    length: int = 30
    packed: bool = False

    @staticmethod
    def read(file):
        """Sizes as the golden files' config.json has them."""
        config = json.loads(Path(file).read_text())
        vision, text = config["visual"], config["bert"]
        return Sizes(
            vision["img_size"], vision["patch_size"], vision["num_frm"], vision["embed_dim"], vision["depth"], vision["num_heads"],
            int(vision["embed_dim"] * vision["mlp_ratio"]), vision["drop_path_rate"], text["vocab_size"], text["num_hidden_layers"],
            text["fusion_layer"], text["num_attention_heads"], text["intermediate_size"], text["max_position_embeddings"],
            text["hidden_dropout_prob"], text["attention_probs_dropout_prob"],
            config["proj_dim"], config["num_entities"], config["max_txt_len"])


def written_out(q, k, v, mask=None, dropout=0.0):
    """Attention of [..., M, d] in single operations."""
    scores = q / math.sqrt(q.shape[-1]) @ k.transpose(-2, -1)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return F.dropout(weights, dropout, training=dropout > 0) @ v


def attention(q, k, v, mask=None, dropout=0.0):
    """The fused form, from PyTorch 2.0 on."""
    fused = getattr(F, "scaled_dot_product_attention", None)
    return fused(q, k, v, attn_mask=mask, dropout_p=dropout) if fused else written_out(q, k, v, mask, dropout)


def packing(patches, frames):
    """How many patches' sequences of frames are packed into one of at most 64 tokens."""
    return max(g for g in range(1, patches + 1) if patches % g == 0 and (g == 1 or g * frames <= 64))


def block_mask(group, frames, like):
    """Added to the scores of packed sequences: 0 inside a patch, -inf between patches."""
    patch = torch.arange(group * frames, device=like.device) // frames
    return torch.zeros(len(patch), len(patch), dtype=like.dtype, device=like.device).masked_fill_(patch[:, None] != patch, -math.inf)


# The vision encoder: TimeSformer with divided attention. A clip is a class token, then patches, patch-major and frame-minor: 1 + n * T + t.

class VisionAttention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads = sizes.heads
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width)
        self.proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, x, mask=None):                                        # [sequences, M, D]
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(attention(q, k, v, None if mask is None else mask.to(q.dtype)).transpose(1, 2).flatten(2))


class SpaceTimeBlock(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.norm1, self.temporal_norm1, self.norm2 = (nn.LayerNorm(sizes.width, eps=1e-6) for _ in range(3))
        self.attn, self.temporal_attn = VisionAttention(sizes), VisionAttention(sizes)
        self.temporal_fc = nn.Linear(sizes.width, sizes.width)
        self.mlp = nn.ModuleDict(dict(fc1=nn.Linear(sizes.width, sizes.mlp), fc2=nn.Linear(sizes.mlp, sizes.width)))

    def forward(self, x, frames, mask, keep):           # [B, 1 + N * T, D]; what packed scores are masked with; factors of stochastic depth
        clips, patches = x.shape[0], (x.shape[1] - 1) // frames
        cls, x = x.split([1, patches * frames], 1)

        sequences = self.temporal_norm1(x).reshape(-1, frames if mask is None else len(mask), x.shape[2])
        time = self.temporal_attn(sequences, mask)
        x = x + self.temporal_fc(drop(time.reshape(clips * patches, frames, -1), keep, 0)).reshape(x.shape)

        # The class token joins every frame; what the frames do to it is averaged.
        x = x.unflatten(1, (patches, frames))
        space = torch.cat([cls.unsqueeze(1).expand(-1, frames, -1, -1), x.transpose(1, 2)], 2)
        space = drop(self.attn(self.norm1(space.flatten(0, 1))), keep, 1).unflatten(0, (clips, frames))
        cls_space, space = space.split([1, patches], 2)
        x = torch.cat([cls + cls_space.mean(1), (x + space.transpose(1, 2)).flatten(1, 2)], 1)
        return x + drop(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))), keep, 2)


def drop(branch, keep, which):
    return branch if keep is None else branch * keep[which].to(branch.dtype)


class TimeSformer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        patches = (sizes.image // sizes.patch) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, sizes.width))
        self.time_embed = nn.Parameter(torch.zeros(1, sizes.frames, sizes.width))
        self.patch_embed = nn.ModuleDict(dict(proj=nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch)))
        self.blocks = nn.ModuleList(SpaceTimeBlock(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self.head = nn.Linear(sizes.width, 400)                             # in every checkpoint, unused
        self.packed = sizes.packed
        self.drop_path = [sizes.drop_path * i / max(1, sizes.depth - 1) for i in range(sizes.depth)]

    def forward(self, video):                                               # [B, T, 3, H, W] to [B, 1 + N, D]: patches averaged over time
        clips, frames = video.shape[:2]
        proj = self.patch_embed["proj"]
        x = proj(video.flatten(0, 1).to(proj.weight.dtype)).flatten(2).transpose(1, 2).unflatten(0, (clips, frames))
        x = x + self.pos_embed[:, 1:] + self.time_embed.unsqueeze(2)
        patches = x.shape[2]
        mask = block_mask(packing(patches, frames), frames, x) if self.packed else None
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(clips, -1, -1), x.transpose(1, 2).flatten(1, 2)], 1)
        for block, rate in zip(self.blocks, self.drop_path):
            keep = None
            if self.training and rate > 0:
                keep = [x.new_empty(n, 1, 1).bernoulli_(1 - rate).div_(1 - rate) for n in (clips * patches, clips * frames, clips)]
            x = block(x, frames, mask, keep)
        cls, x = self.norm(x).split([1, patches * frames], 1)
        return torch.cat([cls, x.unflatten(1, (patches, frames)).mean(2)], 1)


# The text and fusion encoder: BERT, whose first layers read text alone and whose others read [text ; video].

class BertLayer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        width, norm = sizes.width, lambda: nn.LayerNorm(sizes.width, eps=1e-12)
        self.heads, self.dropout, self.attention_dropout = sizes.text_heads, sizes.dropout, sizes.attention_dropout
        self.attention = nn.ModuleDict({
            "self": nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")}),
            "output": nn.ModuleDict(dict(dense=nn.Linear(width, width), LayerNorm=norm()))})
        self.intermediate = nn.ModuleDict(dict(dense=nn.Linear(width, sizes.intermediate)))
        self.output = nn.ModuleDict(dict(dense=nn.Linear(sizes.intermediate, width), LayerNorm=norm()))

    def forward(self, rows, tokens, mask):                                  # rows that are computed, all tokens, what is added to scores
        project = self.attention["self"]
        q, k, v = (project[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for name, x in (("query", rows), ("key", tokens), ("value", tokens)))
        context = attention(q, k, v, mask.to(q.dtype), self.attention_dropout if self.training else 0.0)
        rows = self.add(self.attention["output"], context.transpose(1, 2).flatten(2), rows)
        return self.add(self.output, F.gelu(self.intermediate["dense"](rows)), rows)

    def add(self, part, x, residual):
        return part["LayerNorm"](F.dropout(part["dense"](x), self.dropout, self.training) + residual)


class BertEmbeddings(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.dropout = sizes.dropout
        self.register_buffer("position_ids", torch.arange(sizes.positions).unsqueeze(0))
        self.word_embeddings = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=0)
        self.position_embeddings = nn.Embedding(sizes.positions, sizes.width)
        self.token_type_embeddings = nn.Embedding(2, sizes.width)
        self.LayerNorm = nn.LayerNorm(sizes.width, eps=1e-12)

    def forward(self, ids):
        x = self.word_embeddings(ids) + self.position_embeddings.weight[:ids.shape[1]] + self.token_type_embeddings.weight[0]
        return F.dropout(self.LayerNorm(x), self.dropout, self.training)


class Bert(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.fusion_layer = sizes.fusion_layer
        self.embeddings = BertEmbeddings(sizes)
        self.encoder = nn.ModuleDict(dict(layer=nn.ModuleList(BertLayer(sizes) for _ in range(sizes.layers))))

    def text(self, ids, mask):                                              # [P, L]
        x, mask = self.embeddings(ids), self.scores(mask)
        for layer in self.encoder["layer"][:self.fusion_layer]:
            x = layer(x, x, mask)
        return x

    def fuse(self, text, mask, video):                                      # all layers but the last; every video token is attended
        x, mask = torch.cat([text, video], 1), F.pad(self.scores(mask), (0, video.shape[1]))
        for layer in self.encoder["layer"][self.fusion_layer:-1]:
            x = layer(x, x, mask)
        return x, mask

    @staticmethod
    def scores(mask):
        return ((1.0 - mask.float()) * -10000.0)[:, None, None]


class MlmHead(nn.Module):
    def __init__(self, sizes, words):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(sizes.vocabulary))
        self.transform = nn.ModuleDict(dict(dense=nn.Linear(sizes.width, sizes.width), LayerNorm=nn.LayerNorm(sizes.width, eps=1e-12)))
        self.decoder = nn.Linear(sizes.width, sizes.vocabulary)
        self.decoder.weight, self.decoder.bias = words.weight, self.bias

    def forward(self, x):
        return self.decoder(self.transform["LayerNorm"](F.gelu(self.transform["dense"](x))))


class Alpro(nn.Module):
    """Two encoders, their projections to one space, and the matching head."""

    def __init__(self, sizes):
        super().__init__()
        self.temp = nn.Parameter(torch.tensor(0.07))
        self.visual_encoder = nn.ModuleDict(dict(model=TimeSformer(sizes)))
        bert = Bert(sizes)
        head = MlmHead(sizes, bert.embeddings.word_embeddings)
        self.text_encoder = nn.ModuleDict(dict(bert=bert, cls=nn.ModuleDict(dict(predictions=head))))
        self.vision_proj = nn.Linear(sizes.width, sizes.projection)
        self.text_proj = nn.Linear(sizes.width, sizes.projection)
        self.itm_head = nn.Linear(sizes.width, 2)

    @staticmethod
    def feature(projection, tokens):
        return F.normalize(projection(tokens[:, 0]).float(), dim=-1)


class Prompter(Alpro):
    """Says, frozen, how probable each entity is in a region of a clip."""

    def __init__(self, sizes):
        super().__init__(sizes)
        self.register_buffer("video_prompt_feat", torch.zeros(sizes.entities, sizes.projection))
        self.register_buffer("image_prompt_feat", torch.zeros(sizes.entities, sizes.projection))

    @torch.no_grad()
    def label(self, crop, is_video):
        prompts = self.video_prompt_feat if is_video else self.image_prompt_feat
        feature = self.feature(self.vision_proj, self.visual_encoder["model"](crop))
        with torch.autocast(crop.device.type, enabled=False):
            return (feature @ prompts.float().T / self.temp.float()).softmax(1)


class AlproForPretrain(Alpro):
    def __init__(self, sizes, ignore_by_index=False):
        super().__init__(sizes)
        self.ignore_by_index = ignore_by_index
        self.mpm_head = nn.Sequential(nn.Linear(sizes.width, 2 * sizes.width), nn.ReLU(), nn.Linear(2 * sizes.width, sizes.entities))
        self.prompter = Prompter(sizes).requires_grad_(False).eval()

    def train(self, mode=True):
        super().train(mode)
        self.prompter.eval()
        return self

    def forward(self, batch):
        """The four losses of a batch, whose names are those of the golden files."""
        bert, vocabulary = self.text_encoder["bert"], self.text_encoder["cls"]["predictions"]
        ids, mask = batch["text_input_ids"], batch["text_input_mask"]
        clips, length = ids.shape
        video = self.visual_encoder["model"](batch["visual_inputs"])
        text, masked = bert.text(torch.cat([ids, batch["mlm_text_input_ids"]]), mask.repeat(2, 1)).split(clips)

        # Contrastive: every video with every text.
        video_feature, text_feature = self.feature(self.vision_proj, video), self.feature(self.text_proj, text)
        with torch.autocast(video.device.type, enabled=False):
            similarity = video_feature @ text_feature.T / self.temp.float()
        own = torch.arange(clips, device=ids.device)
        vtc = (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2

        # Fusion, all but its last layer: positives, each text with another video, each video with another text, masked texts.
        other_video = batch["neg_video_for_text"] if "neg_video_for_text" in batch else self.draw(similarity.T)
        other_text = batch["neg_text_for_video"] if "neg_text_for_video" in batch else self.draw(similarity)
        fused, scores = bert.fuse(
            torch.cat([text, text, text.index_select(0, other_text), masked]), torch.cat([mask, mask, mask[other_text], mask]),
            torch.cat([video, video.index_select(0, other_video), video, video]))
        positives, negatives, masked = fused.split([clips, 2 * clips, clips])
        last, scores = bert.encoder["layer"][-1], scores.split([clips, 2 * clips, clips])
        positives = last(positives, positives, scores[0])
        negatives = last(negatives[:, :1], negatives, scores[1])
        masked = last(masked[:, :length], masked, scores[2])

        match = self.itm_head(torch.cat([positives[:, 0], negatives[:, 0]])).float()
        vtm = F.cross_entropy(match, torch.cat([torch.ones_like(own), torch.zeros_like(own), torch.zeros_like(own)]))

        chosen = batch["mask_positions"]
        words = vocabulary(masked.flatten(0, 1).index_select(0, chosen)).float()
        mlm = F.cross_entropy(words, batch["mlm_labels"].flatten()[chosen], reduction="sum") / max(1, len(chosen))

        # Entity modelling: the mean of the patches inside the region against the prompter's labels of its crop.
        labels = self.prompter.label(batch["crop_visual_inputs"], batch["is_video"])
        patches = positives[:, length + 1:]
        inside = 1 - batch["mpm_mask"].flatten(1).unsqueeze(1).to(patches.dtype)
        entities = self.mpm_head((inside @ patches / inside.sum(2, keepdim=True)).squeeze(1)).float()
        kept = ((labels.argmax(1) if self.ignore_by_index else labels.amax(1)) >= 0.2).float()
        pem = (F.cross_entropy(entities, labels, reduction="none") * kept).sum() / kept.sum().clamp(min=1)
        return dict(vtc=vtc, vtm=vtm, mlm=mlm, pem=pem)

    @torch.no_grad()
    def draw(self, similarity):
        """Of each row another clip, by softmax of the similarities: multinomial's way, without its check, which waits for the device."""
        weights = similarity.masked_fill(torch.eye(len(similarity), dtype=torch.bool, device=similarity.device), -math.inf).softmax(1)
        return (weights / torch.empty_like(weights).exponential_()).argmax(1)


class Optimizer:
    """AdamW with clipping; for weights in bf16, over fp32 copies of them."""

    def __init__(self, model, bf16_weights, fused):
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.masters = [w.detach().clone().requires_grad_() for w in self.weights] if bf16_weights else self.weights
        if bf16_weights:
            model.bfloat16()
        extra = dict(fused=True) if fused else {}
        self.adam = torch.optim.AdamW(self.masters, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0, **extra)

    def step(self):
        copies = [(m, w) for m, w in zip(self.masters, self.weights) if m is not w and w.grad is not None]
        for master, _ in copies:
            master.grad = torch.empty_like(master) if master.grad is None else master.grad
        copy_all([m.grad for m, _ in copies], [w.grad for _, w in copies])
        torch.nn.utils.clip_grad_norm_(self.masters, 20.0)
        self.adam.step()
        copy_all([w for _, w in copies], [m for m, _ in copies])
        for weight in self.weights:
            weight.grad = None


@torch.no_grad()
def copy_all(targets, sources):
    if hasattr(torch, "_foreach_copy_") and targets:
        torch._foreach_copy_(targets, sources)
    else:
        for target, source in zip(targets, sources):
            target.copy_(source)


def build(sizes, device, ignore_by_index=False):
    with torch.device(device) if hasattr(torch.device, "__enter__") else contextlib.nullcontext():
        return AlproForPretrain(sizes, ignore_by_index).to(device)


@torch.no_grad()
def initialize(model):
    """Fresh weights as ours start: what matters to time is that they are neither zero nor without bound."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.normal_(0, 0.02)
        if isinstance(module, nn.Linear):
            module.bias.zero_()
        if isinstance(module, TimeSformer):
            for parameter in (module.cls_token, module.pos_embed):
                parameter.normal_(0, 0.02)
    for name, tensor in model.state_dict().items():
        if "temporal_fc" in name and ".blocks.0." not in name:
            tensor.zero_()
        if name.endswith("prompt_feat"):
            tensor.copy_(F.normalize(torch.randn_like(tensor), dim=1))


def autocast(device, precision):
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16")


def read(file):
    """Tensors by name: of a safetensors file, or of a PyTorch file."""
    if Path(file).suffix != ".safetensors":
        return torch.load(file, map_location="cpu", weights_only=True)
    types = dict(F64="float64", F32="float32", F16="float16", BF16="bfloat16", I64="int64", I32="int32", U8="uint8", BOOL="bool")
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        data = bytearray(stream.read())
    header.pop("__metadata__", None)

    def tensor(dtype, shape, data_offsets):
        return torch.frombuffer(data, dtype=getattr(torch, types[dtype]), count=math.prod(shape), offset=data_offsets[0]).reshape(shape)

    return {name: tensor(**at) for name, at in header.items()}


def check(args):
    config = args.config or Path(args.check[1]).with_name("config.json")
    sizes = dataclasses.replace(Sizes.read(config) if Path(config).exists() else Sizes(), packed=args.packed)
    model = build(sizes, args.device, args.ignore_by_index).eval()
    model.load_state_dict(read(args.check[0]))
    batch = {name[len("batch0/"):]: tensor for name, tensor in read(args.check[1]).items() if name.startswith("batch0/")}
    batch["is_video"] = bool(batch["is_video"])
    batch["mask_positions"] = (batch["mlm_labels"].flatten() != -100).nonzero().flatten()
    batch = {name: value.to(args.device) if torch.is_tensor(value) else value for name, value in batch.items()}
    with autocast(args.device, args.precision or "fp32"):
        losses = model(batch)
    total = sum(losses.values())
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), math.inf)
    yield dict(item="check", **{name: loss.item() for name, loss in losses.items()}, total=total.item(), grad_norm=norm.item())


class Clock:
    """Marks in the device's own order of work, and the milliseconds between them."""

    def __init__(self, device):
        self.cuda = torch.device(device).type == "cuda"

    def mark(self):
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def between(self, first, second):
        return first.elapsed_time(second) if self.cuda else 1e3 * (second - first)


def random_batch(sizes, clips, device):
    grid, masked = sizes.image // sizes.patch, min(4, (sizes.length - 1) // 3)
    ids = torch.randint(1, sizes.vocabulary, (clips, sizes.length), device=device)
    region = torch.ones(clips, grid, grid, device=device)
    region[:, grid // 4:, grid // 4:] = 0
    positions = torch.tensor([i * sizes.length + 1 + 3 * j for i in range(clips) for j in range(masked)], device=device)
    video, crop = (torch.randn(clips, sizes.frames, 3, sizes.image, sizes.image, device=device) for _ in range(2))
    return dict(visual_inputs=video, crop_visual_inputs=crop, mpm_mask=region, is_video=True, text_input_ids=ids, mask_positions=positions,
                text_input_mask=torch.ones_like(ids), mlm_text_input_ids=ids, mlm_labels=ids)


def measure(args):
    precision, clock, warm = args.precision or "bf16", Clock(args.device), 3
    sizes = dataclasses.replace(Sizes.read(args.config) if args.config else Sizes(), frames=args.frames, packed=args.packed)
    torch.manual_seed(42)
    model = build(sizes, args.device)
    initialize(model)
    model.train()
    optimizer = Optimizer(model, precision == "bf16-weights", clock.cuda)
    if args.compile == "blocks":
        for module in model.modules():
            if isinstance(module, (SpaceTimeBlock, BertLayer)):
                module.compile(dynamic=False)
    forward = torch.compile(model) if args.compile == "model" else model
    batch = random_batch(sizes, args.batch, args.device)

    marks = []
    for step in range(warm + args.steps):
        if step in (0, 1, warm):
            clock.wait()
            if clock.cuda:
                torch.cuda.reset_peak_memory_stats()
            if step == 1:
                first = time.perf_counter() - start
            start = time.perf_counter()
        times = [clock.mark()]
        with torch.no_grad():
            model.temp.clamp_(0.001, 0.5)
        with autocast(args.device, precision):
            total = sum(forward(batch).values())
        times.append(clock.mark())
        total.backward()
        times.append(clock.mark())
        optimizer.step()
        times.append(clock.mark())
        marks.append(times)
    clock.wait()
    wall = 1e3 * (time.perf_counter() - start) / args.steps
    forward_ms, backward_ms, optimizer_ms, step_ms = (
        statistics.median(clock.between(times[a], times[b]) for times in marks[warm:]) for a, b in ((0, 1), (1, 2), (2, 3), (0, 3)))
    peak = torch.cuda.max_memory_allocated() if clock.cuda else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield dict(item="step", batch=args.batch, frames=args.frames, precision=precision, compile=args.compile, packed=args.packed,
               steps=args.steps, forward_ms=forward_ms, backward_ms=backward_ms, optimizer_ms=optimizer_ms, step_ms=step_ms, wall_ms=wall,
               first_step_s=first, clips_per_s=1e3 * args.batch / step_ms, tflops=args.flops / step_ms / 1e9 if args.flops else None,
               peak_gb=peak / 1e9, parameters=sum(w.numel() for w in optimizer.weights), loss=total.item())


def main():
    parser = argparse.ArgumentParser(description="The pretraining step in PyTorch.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", nargs=2, metavar=("WEIGHTS", "INPUTS"), help="losses of batch0/*; sizes: config.json beside INPUTS")
    mode.add_argument("--time", action="store_true", help="time whole steps")
    mode.add_argument("--micro", action="store_true", help="time single operations")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", nargs="?", const="model", choices=["model", "blocks"], help="the whole model, or block by block")
    parser.add_argument("--precision", choices=["bf16", "bf16-weights", "fp32"], help="autocast; bf16 with fp32 copies; no TF32")
    parser.add_argument("--packed", action="store_true", help="temporal attention over several patches at a time, as ours")
    parser.add_argument("--flops", type=float, help="floating-point operations of a step, for TFLOP/s")
    parser.add_argument("--config", help="sizes, in the form of the golden files' config.json")
    parser.add_argument("--ignore-by-index", action="store_true", help="ignore clips as the released code does, and the golden files")
    parser.add_argument("--tiny", action="store_true", help="single operations at sizes that show that they run")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", help="also write the lines there")
    parser.add_argument("--table", action="store_true", help="also print a table on stderr")
    args = parser.parse_args()

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    where = dict(torch=torch.__version__, card=torch.cuda.get_device_name() if torch.device(args.device).type == "cuda" else "CPU")
    lines = []
    for line in run(args):
        lines.append({**{name: value if usable(value) else None for name, value in line.items()}, **where})
        print(json.dumps(lines[-1]), flush=True)
        if args.json:                                   # line by line: what is stopped in time has said what it knew
            Path(args.json).write_text("".join(json.dumps(line) + "\n" for line in lines))
    if args.table:
        for line in lines:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in line.items() if isinstance(value, float))
            print(f"{line['item']:34}{line.get('how', ''):24}{line.get('error', figures)}", file=sys.stderr)
    if not args.micro and "error" in lines[-1]:
        sys.exit(1)


def run(args):
    """The lines of what was asked for; the last one says why there are no more, if something failed."""
    try:
        if args.micro:
            from micro import micro
            yield from micro(args)
        else:
            yield from check(args) if args.check else measure(args)
    except Exception as error:
        traceback.print_exc()
        yield dict(item="check" if args.check else "micro" if args.micro else "step", error=f"{type(error).__name__}: {error}"[:300])


def usable(value):
    """JSON has no word for what is not a number."""
    return not isinstance(value, float) or math.isfinite(value)


if __name__ == "__main__":
    main()
