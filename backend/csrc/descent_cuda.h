// From the tiles' records to gradients: the sums of a step's backward pass.
#pragma once
#include "scene_cuda.h"

// Sums a primitive's records, by a warp, and applies the chain rule.
__device__ void reduce(const Scene& scene, int64_t i, int64_t first_pair, int64_t end_pair, int lane) {
    const int value = lane % kRecord;
    float sum = 0.0f;
    if (scene.deterministic) {
        // The halves of a warp alternate in a fixed order, with several loads at a time.
#pragma unroll 8
        for (int64_t r = first_pair * kTileWarps + lane / kRecord; r < end_pair * kTileWarps; r += kTileWarps)
            sum += scene.records[r * kRecord + value];
        sum += __shfl_xor_sync(kAll, sum, kRecord);
    } else {
        sum = scene.records[i * kRecord + value];
    }
    Moments<float> moments;
    float* to = &moments.u;
#pragma unroll
    for (int k = 0; k < kRecord; ++k) to[k] = __shfl_sync(kAll, sum, k);
    if (lane > 0) return;
    float grad[kParams] = {};
    if (first_pair < end_pair) {
        const Primitive q = scene.primitives[i];
        chain(q, scene.params + i * kParams, LINEAR, moments, grad);
    }
    for (int k = 0; k < kParams; ++k) scene.grad[i * kParams + k] = grad[k];
    if (scene.removal) scene.removal[i] = first_pair < end_pair ? moments.removal : 0.0f;
}
