// Runs vision.cu on a processor, so that its kernels are tested where there is no GPU: a thread for each thread of a block, one block after
// another, and barriers for what a warp or a block does together. Compiled with -DCHUNKS and -DFRAMES, and -include of nothing else.
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)

struct Index { int x; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;
static std::unique_ptr<std::barrier<>> block;
static std::vector<std::unique_ptr<std::barrier<>>> warps;
static float exchanged[1024];

static void __syncthreads() { block->arrive_and_wait(); }
static unsigned __float_as_uint(float x) { unsigned u; std::memcpy(&u, &x, 4); return u; }
static float __uint_as_float(unsigned u) { float x; std::memcpy(&x, &u, 4); return x; }
static float rsqrtf(float x) { return 1 / std::sqrt(x); }

static float __shfl_xor_sync(unsigned, float x, int lanes) {
    std::barrier<> &warp = *warps[threadIdx.x / 32];
    exchanged[threadIdx.x] = x;
    warp.arrive_and_wait();
    float other = exchanged[threadIdx.x ^ lanes];
    warp.arrive_and_wait();
    return other;
}

#define __expf expf
#include "vision.cu"

template <typename Kernel> static void run(int blocks, int threads, Kernel kernel) {
    blockDim.x = threads;
    gridDim.x = blocks;
    for (int b = 0; b < blocks; b++) {
        block = std::make_unique<std::barrier<>>(threads);
        warps.clear();
        for (int w = 0; w < threads / 32; w++) warps.push_back(std::make_unique<std::barrier<>>(32));
        std::vector<std::thread> all;
        for (int t = 0; t < threads; t++)
            all.emplace_back([=] { threadIdx.x = t; blockIdx.x = b; kernel(); });
        for (std::thread &thread : all) thread.join();
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
