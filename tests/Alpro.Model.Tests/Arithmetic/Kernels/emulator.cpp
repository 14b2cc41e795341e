// Runs vision.cu on a processor, so that its kernels are tested where there is no GPU: a fiber for each thread of a block, one block after
// another, and barriers for what a warp or a block does together. Compiled with -DCHUNKS and -DFRAMES, and -include of nothing else.
#include <cmath>
#include <cstring>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)

struct Index { int x; };
static Index threadIdx, blockIdx, blockDim, gridDim;

// Fibers take turns; one that waits at a barrier lets the next run. They stay on one thread: a launch is over before the next begins.
static ucontext_t turns;
static std::vector<ucontext_t> fibers;

static void next() { swapcontext(&fibers[threadIdx.x], &turns); }

struct Barrier {
    int members, arrived = 0, passed = 0;
    void wait() {
        int before = passed;
        if (++arrived == members) { arrived = 0; passed++; }
        while (passed == before) next();
    }
};

static Barrier block;
static std::vector<Barrier> warps;
static float exchanged[1024];

static void __syncthreads() { block.wait(); }
static unsigned __float_as_uint(float x) { unsigned u; std::memcpy(&u, &x, 4); return u; }
static float __uint_as_float(unsigned u) { float x; std::memcpy(&x, &u, 4); return x; }
static float rsqrtf(float x) { return 1 / std::sqrt(x); }

static float __shfl_xor_sync(unsigned, float x, int lanes) {
    Barrier &warp = warps[threadIdx.x / 32];
    exchanged[threadIdx.x] = x;
    warp.wait();
    float other = exchanged[threadIdx.x ^ lanes];
    warp.wait();
    return other;
}

#define __expf expf
#include "vision.cu"

template <typename Kernel> static void run(int blocks, int threads, Kernel kernel) {
    constexpr size_t stack = 1 << 16;
    static std::vector<char> stacks;
    static std::vector<bool> done;
    static Kernel *current;
    stacks.resize(threads * stack);
    fibers.resize(threads);
    current = &kernel;
    blockDim.x = threads;
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        block = { threads };
        warps.assign(threads / 32, { 32 });
        done.assign(threads, false);
        for (int t = 0; t < threads; t++) {
            getcontext(&fibers[t]);
            fibers[t].uc_stack = { &stacks[t * stack], 0, stack };
            fibers[t].uc_link = &turns;                              // where it goes when the kernel returns
            makecontext(&fibers[t], +[] { (*current)(); done[threadIdx.x] = true; }, 0);
        }
        for (bool all = false; !all;) {
            all = true;
            for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
                if (!done[threadIdx.x]) { swapcontext(&turns, &fibers[threadIdx.x]); all = all && done[threadIdx.x]; }
        }
    }
}

// Arguments are words, as the CUDA driver is given places of.
template <typename Type> static Type argument(const unsigned long long *word) { Type value; std::memcpy(&value, word, sizeof value); return value; }

template <typename... Types, size_t... Places> static void call(void (*kernel)(Types...), int blocks, int threads, const unsigned long long *words, std::index_sequence<Places...>) {
    run(blocks, threads, [=] { kernel(argument<Types>(words + Places)...); });
}

template <typename... Types> static int call(void (*kernel)(Types...), int blocks, int threads, const unsigned long long *words, int count) {
    if (count != sizeof...(Types)) return 2;
    call(kernel, blocks, threads, words, std::index_sequence_for<Types...>());
    return 0;
}

#define TRY(kernel) if (wanted == #kernel) return call(kernel, blocks, threads, words, count);

extern "C" int launch(const char *name, int blocks, int threads, const unsigned long long *words, int count) {
    std::string wanted = name;
    TRY(residual_norm_bf16) TRY(residual_norm_fp32) TRY(residual_norm_backward_bf16) TRY(residual_norm_backward_fp32)
    TRY(time_attention_bf16) TRY(time_attention_fp32) TRY(time_attention_backward_bf16) TRY(time_attention_backward_fp32) TRY(merge_heads_bf16) TRY(merge_heads_fp32)
    return 1;
}
