// A tile of 16 x 16 px: its primitives drawn front to back, compared with the target, and differentiated back to front.
// A block per tile; a thread has four pixels of a column.
#pragma once
#include "bins_cuda.h"
#include "sampler_cuda.h"

constexpr int kBatch = 32;  // entries whose samplers lie in shared memory at a time

struct Batch {
    Sampler sampler[kBatch];
    float dx[kBatch], dy[kBatch];  // from the primitive's position to the center of the tile's corner pixel
    int32_t rows[kBatch];    // bit j: whether it may be visible at a thread's j-th pixel; the same for all threads
    int64_t record[kBatch];  // the place of a block's sums
};

// The values of each pixel of a thread.
struct Pixels {
    float image[kPixels][3], transmittance[kPixels], grad[kPixels][3], behind[kPixels];
};

// The same for removals: the picture, its target, weight and weighted loss, and the color behind the current primitive.
struct Shown {
    float image[kPixels][3], target[kPixels][3], weight[kPixels], loss[kPixels], back[kPixels][3];
};

struct Place {
    int left, top, column, row;  // px; column and first row of the thread on the tile
    int64_t tile, plane;         // plane: pixels of the canvas
    bool inside[kPixels];        // the canvas
    int64_t at[kPixels];         // offset of the pixels in a plane
    // Copies from the scene, which would be read again after each write to memory.
    float* transmittance;  // of the thread's first pixel; null for forward
    const float* decode;
    float* records;
    bool deterministic;
};

__device__ __forceinline__ void locate(const Scene& scene, Place& here) {
    const int tile = blockIdx.x;
    here.tile = tile;
    here.left = tile % scene.tiles_x * kTile;
    here.top = tile / scene.tiles_x * kTile;
    here.column = threadIdx.x % kTile;
    here.row = threadIdx.x / kTile;
    here.plane = (int64_t)scene.width * scene.height;
    here.transmittance = scene.transmittance ? scene.transmittance + threadIdx.x : nullptr;
    here.decode = scene.decode;
    here.records = scene.records;
    here.deterministic = scene.deterministic;
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        const int x = here.left + here.column, y = here.top + here.row + kRowStep * j;
        here.inside[j] = x < scene.width && y < scene.height;
        here.at[j] = (int64_t)y * scene.width + x;
    }
}

// Puts the samplers of a batch's entries into shared memory.
__device__ __forceinline__ void load(const Scene& scene, const Place& here, int64_t start, int count, Batch& batch) {
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += kThreads) {
        const Entry entry = scene.entries[start + i];
        const Primitive& q = scene.primitives[entry.primitive];
        place(q, here.left, here.top, batch.sampler[i]);
        batch.dx[i] = here.left + 0.5f - q.x;
        batch.dy[i] = here.top + 0.5f - q.y;
        batch.rows[i] = (2 << entry.last / kRowStep) - (1 << entry.first / kRowStep);
        batch.record[i] = scene.deterministic ? entry.pair * kTileWarps : (int64_t)entry.primitive;
    }
    __syncthreads();
}

// The footprints of a primitive on a thread's pixels.
__device__ __forceinline__ void fetch_all(const Place& here, const Sampler& s, int rows, Footprint* footprints) {
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
        if (rows >> j & 1) footprints[j] = fetch(s, here.column, here.row + kRowStep * j);
}

template <int kMode>
__device__ __forceinline__ void draw(const Place& here, const Batch& batch, int i, int64_t number, Pixels& pixels) {
    const Sampler s = batch.sampler[i];
    const int rows = batch.rows[i];
    Footprint footprints[kPixels];
    fetch_all(here, s, rows, footprints);
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        if (!(rows >> j & 1)) continue;
        Sample sample;
        take(s, here.decode, footprints[j], sample);
        if (kMode != kForward) here.transmittance[number * kTilePixels + j * kThreads] = pixels.transmittance[j];
        over(sample.mask * s.opacity, sample.color, pixels.transmittance[j], pixels.image[j]);
    }
}

// Composites over the background, compares with the target and makes the cotangent. Returns the loss.
template <int kMode>
__device__ __forceinline__ float compare(const Scene& scene, const Place& here, Pixels& pixels, Shown& shown) {
    float total = 0.0f;
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        const int64_t at = here.at[j];
        const bool inside = here.inside[j];
        const float weight = inside ? scene.weight[at] : 0.0f;
        const bool noisy = scene.noise_contrast > 0.0f;
        const uint32_t bits = noisy ? noise_bits((uint32_t)at, scene.noise_key) : 0;
        float loss = 0.0f;
        pixels.behind[j] = 0.0f;
        for (int c = 0; c < 3; ++c) {
            const float background = !inside ? 0.0f
                                     : noisy ? noise_of(bits, c, scene.noise_contrast, scene.decode)
                                             : scene.background[c * here.plane + at];
            const float target = inside ? scene.target[c * here.plane + at] : 0.0f;
            const float value = pixels.image[j][c] + pixels.transmittance[j] * background;
            float slope;
            const float error = error_of(LINEAR, value, target, slope);
            loss += loss_of(scene.loss, error);
            pixels.grad[j][c] = weight * slope * loss_slope(scene.loss, error);
            pixels.behind[j] += pixels.grad[j][c] * background;
            if (kMode == kScored) {
                shown.image[j][c] = value;
                shown.target[j][c] = target;
                shown.back[j][c] = background;
                if (inside) scene.image[c * here.plane + at] = value;
            }
        }
        if (kMode == kScored) {
            shown.weight[j] = weight;
            shown.loss[j] = weight * loss;
            if (inside) scene.loss_map[at] = weight * loss;
        }
        total += weight * loss;
    }
    return total;
}

// Composites over the background and writes image and alpha, or reads the cotangents.
template <int kMode>
__device__ __forceinline__ void finish(const Scene& scene, const Place& here, Pixels& pixels) {
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        const int64_t at = here.at[j];
        pixels.behind[j] = 0.0f;
        for (int c = 0; c < 3; ++c) {
            const float background = here.inside[j] ? scene.background[c * here.plane + at] : 0.0f;
            if (kMode == kForward) {
                if (here.inside[j])
                    scene.image[c * here.plane + at] = pixels.image[j][c] + pixels.transmittance[j] * background;
            } else {
                pixels.grad[j][c] = here.inside[j] ? scene.grad_image[c * here.plane + at] : 0.0f;
                pixels.behind[j] += pixels.grad[j][c] * background;
            }
        }
        if (!here.inside[j]) continue;
        if (kMode == kForward) scene.alpha[at] = 1.0f - pixels.transmittance[j];
        // Alpha is one minus the last transmittance: a channel whose color is 0 and whose background is -1.
        if (kMode == kBackward && scene.grad_alpha) pixels.behind[j] -= scene.grad_alpha[at];
    }
}

// The sum of a block's values, in the same order every time; valid in its first thread.
__device__ __forceinline__ double block_sum(float value) {
    __shared__ float of_warp[kTileWarps];
    for (int step = 1; step < kWarp; step *= 2) value += __shfl_xor_sync(kAll, value, step);
    if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
    __syncthreads();
    double sum = 0.0;
    for (int w = 0; w < kTileWarps; ++w) sum += of_warp[w];
    return sum;
}

// Half of the lanes pass their odd values and the others their even ones: this halves kCount sums.
template <int kCount>
__device__ __forceinline__ void halve(const float* from, float* to, int lane, int bit) {
    const bool odd = lane & bit;
#pragma unroll
    for (int i = 0; i < (kCount + 1) / 2; ++i) {
        const float even_value = from[2 * i], odd_value = 2 * i + 1 < kCount ? from[2 * i + 1] : 0.0f;
        const float kept = odd ? odd_value : even_value, sent = odd ? even_value : odd_value;
        to[i] = kept + __shfl_xor_sync(kAll, sent, bit);
    }
}

// The sum over a warp's lanes of the value with the lane's index modulo 16; 0 from kCount on. A transposing butterfly:
// about 12 shuffles for 10 values instead of 50.
template <int kCount>
__device__ __forceinline__ float warp_sums(const float* values, int lane) {
    float eight[8], four[4], two[2], one[1];
    halve<kCount>(values, eight, lane, 1);
    halve<(kCount + 1) / 2>(eight, four, lane, 2);
    halve<(kCount + 3) / 4>(four, two, lane, 4);
    halve<(kCount + 7) / 8>(two, one, lane, 8);
    return one[0] + __shfl_xor_sync(kAll, one[0], 16);
}

// Sums the gradients of a primitive's samples on a tile; `behind` moves in front of it.
template <int kMode>
__device__ __forceinline__ void differentiate(const Scene& scene, const Place& here, const Batch& batch, int i,
                                              int64_t number, Pixels& pixels, Shown& shown) {
    const Sampler s = batch.sampler[i];
    const int rows = batch.rows[i];
    Footprint footprints[kPixels];
    float transmittances[kPixels];
    fetch_all(here, s, rows, footprints);
#pragma unroll
    for (int j = 0; j < kPixels; ++j)
        if (rows >> j & 1) transmittances[j] = here.transmittance[number * kTilePixels + j * kThreads];
    Moments<float> m = {};
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        if (!(rows >> j & 1)) continue;
        const float row = here.row + kRowStep * j, transmittance = transmittances[j];
        Sample sample;
        take(s, here.decode, footprints[j], sample);
        float grad_opacity, grad_mask, color_grad[3];
        over_backward(sample.mask, s.opacity, sample.color, transmittance, pixels.grad[j], pixels.behind[j],
                      grad_opacity, grad_mask, color_grad);
        if (kMode == kScored)
            m.removal += removal<float>(LINEAR, scene.loss, sample.mask * s.opacity, transmittance, sample.color,
                                        shown.image[j], shown.target[j], shown.weight[j], shown.loss[j], shown.back[j]);
        m.opacity += grad_opacity;
        float grad_u = grad_mask * sample.slope_u, grad_v = grad_mask * sample.slope_v;
        for (int c = 0; c < 3; ++c) {
            m.p[c] += color_grad[c];
#if TEXTURED
            m.q[c] += color_grad[c] * sample.value[c];
            grad_u += color_grad[c] * s.q[c] * sample.value_u[c];
            grad_v += color_grad[c] * s.q[c] * sample.value_v[c];
#endif
        }
        m.u += grad_u;
        m.v += grad_v;
        m.uy += grad_u * row;
        m.vy += grad_v * row;
    }
    const float dx = batch.dx[i] + here.column, dy = batch.dy[i];
    m.ux = m.u * dx;
    m.vx = m.v * dx;
    m.uy += m.u * dy;
    m.vy += m.v * dy;
    constexpr int kValues = TEXTURED ? 14 : kMode == kScored ? 11 : 10;
    const int lane = threadIdx.x % kWarp;
    const float value = warp_sums<kValues>(&m.u, lane);
    if (lane >= kRecord) return;
    if (here.deterministic)
        here.records[(batch.record[i] + threadIdx.x / kWarp) * kRecord + lane] = value;
    else
        atomicAdd(here.records + batch.record[i] * kRecord + lane, value);
}

template <int kMode>
__device__ __forceinline__ void rasterize(const Scene& scene) {
    __shared__ Batch batch;
    if (scene.status->overflow) return;
    Place here;
    locate(scene, here);
    const int64_t begin = first_entry(scene, here.tile), end = first_entry(scene, here.tile + 1);
    Pixels pixels;
#pragma unroll
    for (int j = 0; j < kPixels; ++j) {
        pixels.transmittance[j] = 1.0f;
        for (int c = 0; c < 3; ++c) pixels.image[j][c] = 0.0f;
    }
    for (int64_t start = begin; start < end; start += kBatch) {
        const int count = (int)min((int64_t)kBatch, end - start);
        load(scene, here, start, count, batch);
        for (int i = 0; i < count; ++i) draw<kMode>(here, batch, i, start + i, pixels);
    }
    Shown shown;
    if (kMode == kStep || kMode == kScored) {
        const double loss = block_sum(compare<kMode>(scene, here, pixels, shown));
        if (threadIdx.x == 0) scene.tile_loss[here.tile] = loss;
    } else {
        finish<kMode>(scene, here, pixels);
    }
    if (kMode == kForward) return;
    const int64_t batches = (end - begin + kBatch - 1) / kBatch;
    for (int64_t b = batches - 1; b >= 0; --b) {
        const int64_t start = begin + b * kBatch;
        const int count = (int)min((int64_t)kBatch, end - start);
        if (b < batches - 1) load(scene, here, start, count, batch);  // the last one is still there
        for (int i = count - 1; i >= 0; --i) differentiate<kMode>(scene, here, batch, i, start + i, pixels, shown);
    }
}
