// Candidates for primitives: the gain of each if it alone lay on top of an image. A warp each.
#pragma once
#include "sampler_cuda.h"

// Calls visit(alpha, sample, at) for the pixels of a primitive, two rows of a tile at a time over the lanes; `at` is
// the pixel's offset in a plane.
template <class Visit>
__device__ __forceinline__ void for_pixels(const Candidates& all, const Primitive& q, int lane, Visit visit) {
    TileBox box;
    if (!touched_tiles(q, all.width, all.height, box)) return;
    for (int y = box.y0; y <= box.y1; ++y)
        for (int x = box.x0; x <= box.x1; ++x) {
            int first, last;
            if (!rows_on_tile(q, x, y, all.height, first, last)) continue;
            Sampler s;
            place(q, x * kTile, y * kTile, s);
            const int column = lane % kTile;
            for (int row = first + lane / kTile; row <= last; row += kWarp / kTile) {
                if (x * kTile + column >= all.width) continue;
                Sample sample;
                take(s, all.decode, fetch(s, column, row), sample);
                visit(sample.mask * s.opacity, sample, (int64_t)(y * kTile + row) * all.width + x * kTile + column);
            }
        }
}

__device__ __forceinline__ float warp_sum(float value) {
    for (int step = 1; step < kWarp; step *= 2) value += __shfl_xor_sync(kAll, value, step);
    return value;
}

// The best color c of a candidate is that of least squares: with color = c s + r of a sample, the picture is
// (1 - a) C + a r + c a s, and the loss falls by constant + sum over channels of 2 c S - c^2 A, S = sum w k b,
// A = sum w k^2, k = a s, b = t - (1 - a) C - a r. The result is S[3], A[3], constant, 0.
__device__ void solve(const Candidates& all, int64_t i, const Primitive& q, int lane) {
    const int64_t plane = (int64_t)all.width * all.height;
    const Level& level = *q.level;
    const float blend = level.mode == kTint ? 0.0f : level.blend;
#if TEXTURED
    const float unit = LINEAR ? 1.0f : 1.0f / 255.0f;
    const float in_s = level.mode == kMultiply ? blend * unit : 0.0f, in_r = level.mode == kMix ? blend * unit : 0.0f;
#endif
    float sums[7] = {};
    for_pixels(all, q, lane, [&](float alpha, const Sample& sample, int64_t at) {
        for (int c = 0; c < 3; ++c) {
            const float image = all.image[c * plane + at], weight = all.weight[c * all.weight_plane + at];
            const float error = all.target[c * plane + at] - image;
            float scale = alpha * (1.0f - blend), rest = error + alpha * image;
#if TEXTURED
            scale += alpha * sample.value[c] * in_s;
            rest -= alpha * sample.value[c] * in_r;
#endif
            sums[c] += weight * scale * rest;
            sums[3 + c] += weight * scale * scale;
            sums[6] += weight * (error * error - rest * rest);
        }
    });
    float* result = all.result + i * kSolution;
    for (int k = 0; k < 7; ++k) {
        const float sum = warp_sum(sums[k]);
        if (lane == 0) result[k] = sum;
    }
    if (lane == 0) result[7] = 0.0f;
}

// The fall of the squared error of the display-encoded picture under a candidate of a given color.
__device__ void gain(const Candidates& all, int64_t i, const Primitive& q, int lane) {
    const int64_t plane = (int64_t)all.width * all.height;
    float total = 0.0f;
    for_pixels(all, q, lane, [&](float alpha, const Sample& sample, int64_t at) {
        float loss = 0.0f, slope;
        for (int c = 0; c < 3; ++c) {
            const float image = all.image[c * plane + at], mixed = image + alpha * (sample.color[c] - image);
            const float error = error_of(LINEAR, mixed, all.target[c * plane + at], slope);
            loss += error * error;
        }
        total += all.loss_map[at] - all.weight[at] * loss;
    });
    total = warp_sum(total);
    if (lane == 0) all.result[i] = total;
}

// Calls work(number, primitive, lane) for the candidate of this thread's warp.
template <class Work>
__device__ __forceinline__ void for_candidate(const Candidates& all, Work work) {
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
    if (i < all.count) work(i, all.primitives[i], threadIdx.x % kWarp);
}
