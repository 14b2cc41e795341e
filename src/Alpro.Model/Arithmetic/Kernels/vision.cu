// Kernels of the vision encoder, compiled at run time: see VisionKernels.cs for what each computes and what its arguments are.
// B clips, T frames, M rows of a frame (a class token, then the patches), D channels. CHUNKS is D / 256, FRAMES is T.
// No header is needed, so that a machine needs no CUDA toolkit.

typedef unsigned short bf16;
struct alignas(16) Eight { bf16 v[8]; };
struct alignas(16) Four { float v[4]; };

#define LANES 32
#define WIDTH (CHUNKS * 8)              // channels of a lane: CHUNKS runs of eight
#define ALL 0xffffffffu
#define EACH(i, count) _Pragma("unroll") for (int i = 0; i < count; i++)      // unrolled, so that arrays are registers

__device__ inline float wide(bf16 x) { return __uint_as_float((unsigned)x << 16); }

__device__ inline bf16 narrow(float x) {                                    // to nearest, ties to even; what is not a number stays so
    unsigned u = __float_as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
    return (bf16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

__device__ inline void load8(const bf16 *from, float *to) {
    Eight e = *(const Eight *)from;
    EACH(i, 8) to[i] = wide(e.v[i]);
}

__device__ inline void load8(const float *from, float *to) {
    Four a = ((const Four *)from)[0], b = ((const Four *)from)[1];
    EACH(i, 4) { to[i] = a.v[i]; to[4 + i] = b.v[i]; }
}

__device__ inline void store8(bf16 *to, const float *from) {
    Eight e;
    EACH(i, 8) e.v[i] = narrow(from[i]);
    *(Eight *)to = e;
}

__device__ inline void store8(float *to, const float *from) {
    Four a, b;
    EACH(i, 4) { a.v[i] = from[i]; b.v[i] = from[4 + i]; }
    ((Four *)to)[0] = a;
    ((Four *)to)[1] = b;
}

// A row of D channels over the lanes of a warp: lane l has channels 8 (32 j + l) to 8 (32 j + l) + 7 of each chunk j.
template <typename Type> __device__ inline void loadRow(const Type *row, int lane, float *to) {
    EACH(j, CHUNKS) load8(row + 8 * (LANES * j + lane), to + 8 * j);
}

template <typename Type> __device__ inline void storeRow(Type *row, int lane, const float *from) {
    EACH(j, CHUNKS) store8(row + 8 * (LANES * j + lane), from + 8 * j);
}

__device__ inline float total(float x) {
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(ALL, x, step);
    return x;
}

enum Kind { NONE = 0, TIME = 1, SPACE = 2, MLP = 3 };

// What a branch of a row is multiplied by.
__device__ inline float factor(const float *factors, int kind, int b, int t, int m, int T, int M) {
    if (factors == 0) return 1.0f;
    return factors[kind == TIME ? b * M + m : kind == SPACE ? b * T + t : b];
}

// y = x + branch and z = norm(y), a warp a row.
template <typename Half> __device__ inline void residualNorm(
    const float *x, const Half *o, const float *bias, const float *factors, float *y, Half *z,
    const float *gain, const float *shift, float *means, float *deviations, int B, int T, int M, int kind, float epsilon) {
    const int D = 256 * CHUNKS;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / LANES, lane = threadIdx.x % LANES;
    if (row >= B * T * M) return;
    int m = row % M, t = row / M % T, b = row / M / T;
    float v[WIDTH], other[WIDTH], constant[WIDTH];
    loadRow(x + (long long)row * D, lane, v);
    if (kind != NONE) {
        if (m > 0 || kind == MLP) {
            float f = factor(factors, kind, b, t, m, T, M);
            loadRow(o + (long long)row * D, lane, other);
            loadRow(bias, lane, constant);
            EACH(i, WIDTH) v[i] += f * (kind == TIME ? other[i] : other[i] + constant[i]) + (kind == TIME ? constant[i] : 0.0f);
        } else if (kind == SPACE) {                                         // what the frames do to the class token is averaged
            loadRow(bias, lane, constant);
            for (int s = 0; s < T; s++) {
                float f = factor(factors, kind, b, s, 0, T, M) / T;
                loadRow(o + (long long)(b * T + s) * M * D, lane, other);
                EACH(i, WIDTH) v[i] += f * (other[i] + constant[i]);
            }
        }
        storeRow(y + (long long)row * D, lane, v);
    }
    if (z == 0) return;
    float sum = 0, squares = 0;
    EACH(i, WIDTH) sum += v[i];
    float mean = total(sum) / D;
    EACH(i, WIDTH) squares += (v[i] - mean) * (v[i] - mean);
    float deviation = rsqrtf(total(squares) / D + epsilon);
    loadRow(gain, lane, other);
    loadRow(shift, lane, constant);
    EACH(i, WIDTH) other[i] = (v[i] - mean) * deviation * other[i] + constant[i];
    storeRow(z + (long long)row * D, lane, other);
    if (lane == 0) { means[row] = mean; deviations[row] = deviation; }
}

// The gradient g of a row of y, from those of y and z; and what the row gives to gain and shift.
template <typename Half> __device__ inline void rowGradient(
    const float *dy, const Half *dz, const float *y, const float *gain, const float *means, const float *deviations, int row, int lane,
    float *g, float *dGain, float *dShift) {
    const int D = 256 * CHUNKS;
    if (dz != 0) {
        float v[WIDTH], d[WIDTH];
        float mean = means[row], deviation = deviations[row], first = 0, second = 0;
        loadRow(y + (long long)row * D, lane, v);
        loadRow(dz + (long long)row * D, lane, d);
        loadRow(gain, lane, g);
        EACH(i, WIDTH) {
            v[i] = (v[i] - mean) * deviation;
            dGain[i] += d[i] * v[i];
            dShift[i] += d[i];
            g[i] *= d[i];
            first += g[i];
            second += g[i] * v[i];
        }
        first = total(first) / D;
        second = total(second) / D;
        EACH(i, WIDTH) g[i] = deviation * (g[i] - first - v[i] * second);
    } else
        EACH(i, WIDTH) g[i] = 0;
    if (dy != 0) {
        float d[WIDTH];
        loadRow(dy + (long long)row * D, lane, d);
        EACH(i, WIDTH) g[i] += d[i];
    }
}

// Sums what the warps of a block have for a vector of D channels, into the block's row of partial sums.
__device__ inline void partialSums(float *shared, const float *own, float *partial, int lane, int warp, int warps) {
    const int D = 256 * CHUNKS;
    for (int turn = 0; turn < warps; turn++) {
        if (warp == turn)
            EACH(j, CHUNKS)
                EACH(i, 8) {
                    int c = 8 * (LANES * j + lane) + i;
                    shared[c] = turn == 0 ? own[8 * j + i] : shared[c] + own[8 * j + i];
                }
        __syncthreads();
    }
    for (int c = threadIdx.x; c < D; c += blockDim.x) partial[(long long)blockIdx.x * D + c] = shared[c];
    __syncthreads();
}

template <typename Half> __device__ inline void residualNormBackward(
    const float *dy, const Half *dz, const float *y, const float *factors, const float *gain, const float *means, const float *deviations,
    float *dx, Half *o, float *partial, int B, int T, int M, int kind) {
    const int D = 256 * CHUNKS;
    __shared__ float shared[D];
    int warps = blockDim.x / LANES, warp = threadIdx.x / LANES, lane = threadIdx.x % LANES, rows = B * T * M;
    float dGain[WIDTH], dShift[WIDTH], dBias[WIDTH], g[WIDTH];
    EACH(i, WIDTH) dGain[i] = dShift[i] = dBias[i] = 0;
    for (int row = blockIdx.x * warps + warp; row < rows; row += gridDim.x * warps) {
        int m = row % M, t = row / M % T, b = row / M / T;
        if (kind == SPACE && m == 0) {
            if (t > 0) continue;                                            // the first frame's warp does those of all frames
            float mean[WIDTH];
            EACH(i, WIDTH) mean[i] = 0;
            for (int s = 0; s < T; s++) {
                int other = (b * T + s) * M;
                rowGradient(dy, dz, y, gain, means, deviations, other, lane, g, dGain, dShift);
                storeRow(dx + (long long)other * D, lane, g);
                EACH(i, WIDTH) mean[i] += g[i] / T;
            }
            for (int s = 0; s < T; s++) {
                float f = factor(factors, kind, b, s, 0, T, M);
                EACH(i, WIDTH) { g[i] = f * mean[i]; dBias[i] += g[i]; }
                storeRow(o + (long long)(b * T + s) * M * D, lane, g);
            }
            continue;
        }
        rowGradient(dy, dz, y, gain, means, deviations, row, lane, g, dGain, dShift);
        storeRow(dx + (long long)row * D, lane, g);
        if (kind == NONE) continue;
        if (kind == TIME && m == 0)
            EACH(i, WIDTH) g[i] = 0;
        else {
            float f = factor(factors, kind, b, t, m, T, M);
            EACH(i, WIDTH) {
                if (kind == TIME) dBias[i] += g[i];
                g[i] *= f;
                if (kind != TIME) dBias[i] += g[i];
            }
        }
        storeRow(o + (long long)row * D, lane, g);
    }
    float *gains = partial, *shifts = gains + (long long)gridDim.x * D, *biases = shifts + (long long)gridDim.x * D;
    if (dz != 0) {
        partialSums(shared, dGain, gains, lane, warp, warps);
        partialSums(shared, dShift, shifts, lane, warp, warps);
    }
    if (kind != NONE) partialSums(shared, dBias, biases, lane, warp, warps);
}

// Attention of each patch over its frames. Eight lanes have one head of one patch, eight channels of 64 each; scores are exact over T frames.
template <typename Half> __device__ inline float dot8(const float *a, const float *b) {
    float s = 0;
    EACH(i, 8) s += a[i] * b[i];
    s += __shfl_xor_sync(ALL, s, 4);
    s += __shfl_xor_sync(ALL, s, 2);
    s += __shfl_xor_sync(ALL, s, 1);
    return s;
}

struct Place { bool valid; long long base, step; int channel, m; };

// The element of frame 0 that this lane begins with, in rows of `heads * 64 * parts` channels, and from there to the next frame.
__device__ inline Place place(int B, int M, int heads, int parts) {
    long long unit = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 8, units = (long long)B * M * heads;
    Place p;
    p.valid = unit < units;
    if (!p.valid) unit = units - 1;                                         // shuffles need all lanes
    int head = unit % heads;
    p.m = unit / heads % M;
    long long b = unit / heads / M, width = (long long)heads * 64 * parts;
    p.channel = head * 64 + threadIdx.x % 8 * 8;
    p.base = (b * FRAMES * M + p.m) * width + p.channel;
    p.step = M * width;
    return p;
}

template <typename Half> __device__ inline void timeAttention(const Half *qkv, Half *context, int B, int M, int heads) {
    Place in = place(B, M, heads, 3), out = place(B, M, heads, 1);
    int part = heads * 64;
    float k[FRAMES][8], v[FRAMES][8];
    EACH(t, FRAMES) { load8(qkv + in.base + t * in.step + part, k[t]); load8(qkv + in.base + t * in.step + 2 * part, v[t]); }
    EACH(t, FRAMES) {
        float q[8], s[FRAMES], o[8], largest = -3.4e38f, sum = 0;
        load8(qkv + in.base + t * in.step, q);
        EACH(u, FRAMES) { s[u] = dot8<Half>(q, k[u]) * 0.125f; largest = fmaxf(largest, s[u]); }
        EACH(u, FRAMES) { s[u] = __expf(s[u] - largest); sum += s[u]; }
        EACH(i, 8) o[i] = 0;
        if (in.m > 0)
            EACH(u, FRAMES)
                EACH(i, 8) o[i] += s[u] / sum * v[u][i];
        if (out.valid) store8(context + out.base + t * out.step, o);
    }
}

template <typename Half> __device__ inline void timeAttentionBackward(const Half *qkv, const Half *dContext, Half *dQkv, int B, int M, int heads) {
    Place in = place(B, M, heads, 3), out = place(B, M, heads, 1);
    int part = heads * 64;
    float k[FRAMES][8], v[FRAMES][8], dk[FRAMES][8], dv[FRAMES][8];
    EACH(t, FRAMES) {
        load8(qkv + in.base + t * in.step + part, k[t]);
        load8(qkv + in.base + t * in.step + 2 * part, v[t]);
        EACH(i, 8) dk[t][i] = dv[t][i] = 0;
    }
    float live = in.m > 0 ? 1.0f : 0.0f;
    EACH(t, FRAMES) {
        float q[8], d[8], s[FRAMES], ds[FRAMES], dq[8], largest = -3.4e38f, sum = 0, mean = 0;
        load8(qkv + in.base + t * in.step, q);
        load8(dContext + out.base + t * out.step, d);
        EACH(u, FRAMES) { s[u] = dot8<Half>(q, k[u]) * 0.125f; largest = fmaxf(largest, s[u]); }
        EACH(u, FRAMES) { s[u] = __expf(s[u] - largest); sum += s[u]; }
        EACH(u, FRAMES) { s[u] /= sum; ds[u] = dot8<Half>(d, v[u]); mean += s[u] * ds[u]; }
        EACH(i, 8) dq[i] = 0;
        EACH(u, FRAMES) {
            float g = s[u] * (ds[u] - mean) * 0.125f;
            EACH(i, 8) { dq[i] += g * k[u][i]; dk[u][i] += g * q[i]; dv[u][i] += s[u] * d[i]; }
        }
        EACH(i, 8) dq[i] *= live;
        if (in.valid) store8(dQkv + in.base + t * in.step, dq);
    }
    EACH(t, FRAMES) {
        EACH(i, 8) { dk[t][i] *= live; dv[t][i] *= live; }
        if (in.valid) { store8(dQkv + in.base + t * in.step + part, dk[t]); store8(dQkv + in.base + t * in.step + 2 * part, dv[t]); }
    }
}

// Gradients of queries, keys and values [Q, heads, M, 64], strided, to those of their projection [Q, M, 3, heads, 64]; a thread eight channels of a head.
struct Strides { long long sequence, head, row; };

template <typename Half> __device__ inline void mergeHeads(const Half *const *parts, Half *merged, const Strides *strides, int Q, int M, int heads) {
    long long run = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (run >= (long long)Q * M * heads * 8) return;
    int c = run % 8 * 8, head = run / 8 % heads;
    long long row = run / 8 / heads;
    EACH(part, 3) {
        float v[8];
        load8(parts[part] + row / M * strides[part].sequence + head * strides[part].head + row % M * strides[part].row + c, v);
        store8(merged + ((row * 3 + part) * heads + head) * 64 + c, v);
    }
}

#define KERNELS(Half, name)                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128) residual_norm_##name(const float *x, const Half *o, const float *bias, const float *factors, \
        float *y, Half *z, const float *gain, const float *shift, float *means, float *deviations, int B, int T, int M, int kind, float epsilon) { \
        residualNorm<Half>(x, o, bias, factors, y, z, gain, shift, means, deviations, B, T, M, kind, epsilon);                               \
    }                                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(128) residual_norm_backward_##name(const float *dy, const Half *dz, const float *y,         \
        const float *factors, const float *gain, const float *means, const float *deviations, float *dx, Half *o, float *partial,            \
        int B, int T, int M, int kind) {                                                                                                     \
        residualNormBackward<Half>(dy, dz, y, factors, gain, means, deviations, dx, o, partial, B, T, M, kind);                              \
    }                                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(128) time_attention_##name(const Half *qkv, Half *context, int B, int M, int heads) {       \
        timeAttention<Half>(qkv, context, B, M, heads);                                                                                      \
    }                                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(128) time_attention_backward_##name(const Half *qkv, const Half *dContext, Half *dQkv,      \
        int B, int M, int heads) {                                                                                                           \
        timeAttentionBackward<Half>(qkv, dContext, dQkv, B, M, heads);                                                                       \
    }                                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(128) merge_heads_##name(const Half *q, const Half *k, const Half *v, Half *merged,          \
        long long q0, long long q1, long long q2, long long k0, long long k1, long long k2, long long v0, long long v1, long long v2,        \
        int Q, int M, int heads) {                                                                                                           \
        const Half *parts[] = {q, k, v};                                                                                                     \
        const Strides strides[] = {{q0, q1, q2}, {k0, k1, k2}, {v0, v1, v2}};                                                                \
        mergeHeads<Half>(parts, merged, strides, Q, M, heads);                                                                               \
    }

KERNELS(bf16, bf16)
KERNELS(float, fp32)
