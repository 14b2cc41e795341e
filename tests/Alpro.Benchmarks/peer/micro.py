"""Single operations of the step, each in the forms that PyTorch has for it: step.py --micro."""
import contextlib
import math
import statistics

import torch
import torch.nn.functional as F

from step import Clock, Sizes, attention, block_mask, build, packing, written_out


def micro(args):
    device, clock, tiny = args.device, Clock(args.device), args.tiny
    clips, patches, frames, heads, width, repeat = (2, 28, 4, 2, 8, 2) if tiny else (16, 196, 4, 12, 64, 10)
    half = dict(device=device, dtype=torch.bfloat16)

    def timed(work):
        """Median milliseconds on the device: it is kept busy until the host has queued all the work."""
        for _ in range(3):
            work()
        clock.wait()
        if clock.cuda:
            torch.cuda._sleep(40_000_000)
        marks = [clock.mark()]
        for _ in range(repeat):
            work()
            marks.append(clock.mark())
        clock.wait()
        return statistics.median(clock.between(a, b) for a, b in zip(marks, marks[1:]))

    def both(work, *inputs):
        """Forward alone, and with the backward pass to the inputs."""
        gradient = torch.randn_like(work())
        return dict(forward_ms=timed(work), ms=timed(lambda: torch.autograd.grad(work(), inputs, gradient)))

    def backend(name):
        if name == "default":
            return contextlib.nullcontext()
        from torch.nn.attention import SDPBackend, sdpa_kernel
        names = dict(flash="FLASH_ATTENTION", efficient="EFFICIENT_ATTENTION", cudnn="CUDNN_ATTENTION", math="MATH")
        return sdpa_kernel(getattr(SDPBackend, names[name]))

    def product():
        side = 256 if tiny else 8192
        a, b = torch.randn(side, side, **half), torch.randn(side, side, **half)
        ms = timed(lambda: a @ b)
        return dict(ms=ms, tflops=2 * side ** 3 / ms / 1e9)

    def copy():
        source = torch.zeros(1 << (20 if tiny else 30), dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        ms = timed(lambda: target.copy_(source))
        return dict(ms=ms, gb_per_s=2 * source.numel() / ms / 1e6)

    def temporal(name, packed):
        group = packing(patches, frames) if packed else 1
        qkv = torch.randn(clips * patches // group, group * frames, 3, heads, width, **half).requires_grad_()
        mask = block_mask(group, frames, qkv) if packed else None
        with backend(name):
            return both(lambda: attention(*qkv.permute(2, 0, 3, 1, 4).unbind(0), mask).transpose(1, 2).flatten(2), qkv)

    def bert(name):
        sequences, tokens = 4 * clips, 31 if tiny else 227
        q, k, v = (torch.randn(sequences, tokens, heads, width, **half).requires_grad_() for _ in range(3))
        mask = torch.zeros(sequences, 1, 1, tokens, **half)
        mask[:, :, :, 20:30] = -10000
        form = written_out if name == "written out" else attention

        def work():
            return form(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, 0.1).transpose(1, 2).flatten(2)

        with backend("default" if name == "written out" else name):
            return both(work, q, k, v)

    def adamw(how, flat=False):
        sizes = Sizes(32, 8, 4, 32, 2, 4, 64, vocabulary=320, layers=4, fusion_layer=2, intermediate=64) if tiny else Sizes()
        shapes = [p.shape for p in build(sizes, "cpu" if tiny else "meta").parameters() if p.requires_grad]
        if flat:
            shapes = [(sum(math.prod(shape) for shape in shapes),)]
        weights = [torch.zeros(shape, device=device, requires_grad=True) for shape in shapes]
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        adam = torch.optim.AdamW(weights, lr=1e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0, **{how: True})
        count = sum(weight.numel() for weight in weights)
        ms = timed(adam.step)
        return dict(ms=ms, parameters=count, gb_per_s=7 * 4 * count / ms / 1e6)

    def patch(how):
        grid, p, d = (4, 8, 16) if tiny else (14, 16, 768)
        video = torch.randn(4 * clips, 3, grid * p, grid * p, **half)
        weight = torch.randn(d, 3, p, p, **half).requires_grad_()
        bias, position = torch.zeros(d, **half).requires_grad_(), torch.randn(grid * grid, d, **half)
        if how == "conv2d channels last":
            video = video.contiguous(memory_format=torch.channels_last)

        def linear():
            tiles = video.unflatten(3, (grid, p)).unflatten(2, (grid, p)).permute(0, 2, 4, 1, 3, 5).reshape(len(video), grid * grid, -1)
            return F.linear(tiles, weight.flatten(1), bias) + position

        def convolution():
            return F.conv2d(video, weight, bias, p).flatten(2).transpose(1, 2) + position

        return both(linear if how == "unfold + linear" else convolution, weight, bias)

    def norm(how):
        d = heads * width
        x, y = (torch.randn(clips, 1 + patches * frames, d, **half).requires_grad_() for _ in range(2))
        weight, bias = torch.ones(d, **half).requires_grad_(), torch.zeros(d, **half).requires_grad_()
        if how == "fp32 stream":
            x, weight, bias = (t.detach().float().requires_grad_() for t in (x, weight, bias))
        work = lambda: F.layer_norm(x + y, (d,), weight, bias, 1e-6)
        return both(torch.compile(work) if how == "compiled" else work, x, y, weight, bias)

    items = [("bf16 product", "", product), ("copy", "", copy)]
    items += [("temporal attention, plain", b, lambda b=b: temporal(b, False)) for b in ("default", "flash", "efficient", "cudnn", "math")]
    items += [("temporal attention, packed", b, lambda b=b: temporal(b, True)) for b in ("default", "efficient", "cudnn", "math")]
    items += [("BERT attention, mask and dropout", b, lambda b=b: bert(b)) for b in ("written out", "default", "efficient", "cudnn")]
    items += [("AdamW", how, lambda how=how: adamw(how)) for how in ("fused", "foreach")]
    items += [("AdamW", "fused, one flat tensor", lambda: adamw("fused", True))]
    items += [("patch embedding", how, lambda how=how: patch(how)) for how in ("conv2d", "conv2d channels last", "unfold + linear")]
    items += [("residual + layer norm", how, lambda how=how: norm(how)) for how in ("bf16", "fp32 stream", "compiled")]
    for item, how, run in items:
        try:
            yield dict(item=item, how=how, **run())
        except Exception as error:                                          # a backend that refuses must not hide the others
            yield dict(item=item, how=how, error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200])
        if clock.cuda:
            torch.cuda.empty_cache()
