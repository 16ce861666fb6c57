// From the tiles' records to gradients, and a step of Adam: the formulas are those of backend/fitting/optimizer.py.
#pragma once
#include "scene_cuda.h"

// The linear light of an sRGB value, and the derivative.
__device__ __forceinline__ float decoded(float encoded, float& slope) {
    const float base = (fmaxf(encoded, 0.04045f) + 0.055f) / 1.055f, power = powf(base, 1.4f);
    slope = encoded <= 0.04045f ? 1.0f / 12.92f : 2.4f / 1.055f * power;
    return encoded <= 0.04045f ? encoded / 12.92f : power * base;
}

// The nearest color of the palette, the first one of several.
__device__ void nearest_color(const Descent& descent, const float* color, float* out) {
    float least_distance = INFINITY;
    for (int k = 0; k < descent.palette_count; ++k) {
        const float* other = descent.palette + 3 * k;
        float distance = 0.0f;
        for (int c = 0; c < 3; ++c) distance += (color[c] - other[c]) * (color[c] - other[c]);
        if (distance < least_distance) {
            least_distance = distance;
            for (int c = 0; c < 3; ++c) out[c] = other[c];
        }
    }
}

// The finest level of an axis with at most `bias` texels per canvas pixel: Templates.choose_levels.
__device__ __forceinline__ int finest_level(int32_t longer_side, int32_t count, float axis, float bias) {
    const float texels = longer_side / (2.0f * bias * fmaxf(axis, 1e-6f));
    // Clamped first: an infinite axis has no level as an int.
    return (int)fminf(fmaxf(ceilf(2.0f * log2f(texels) - 1e-4f), 0.0f), count - 1.0f);
}

// Makes a primitive's params from its variables, with the color in the palette and the compositing space.
__device__ void show(const Scene& scene, int i) {
    const Descent& descent = scene.descent;
    const float* free = descent.free + (int64_t)i * kParams;
    float* encoded = descent.encoded + (int64_t)i * kParams;
    float* params = descent.params + (int64_t)i * kParams;
    for (int k = 0; k < kParams; ++k) encoded[k] = params[k] = free[k];
    for (int k = 0; k < 3; ++k) params[k] /= descent.shrink;
    if (descent.palette) {
        float color[3] = {};
        nearest_color(descent, free + 6, color);
        for (int c = 0; c < 3; ++c) {
            // A locked color stays, even with a palette.
            if (!descent.frozen[(int64_t)i * kParams + 6 + c]) encoded[6 + c] = color[c];
            if (descent.limited) params[6 + c] = encoded[6 + c];
        }
    }
#if LINEAR
    float slope;
    for (int c = 0; c < 3; ++c) params[6 + c] = decoded(params[6 + c], slope);
#endif
    const int64_t number = descent.template_of[i];
    const TemplateLevels& levels = descent.templates[number];
    const float root = sqrtf(free[3]);
    const int u = finest_level(levels.longer_side, levels.count_u, free[2] * root, descent.bias);
    const int v = finest_level(levels.longer_side, levels.count_v, free[2] / root, descent.bias);
    descent.level[i] = descent.level_numbers[(number * descent.levels_u + u) * descent.levels_v + v];
}

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

// The lengths of full steps of the variables.
__device__ __forceinline__ void rates(const Descent& descent, const float* free, float* rate) {
    const float root = sqrtf(free[3]), axes[2] = {free[2] * root, free[2] / root};
    for (int k = 0; k < 2; ++k) rate[k] = fminf(axes[k], descent.widest) * descent.position_rate + descent.least;
    rate[2] = descent.scale_rate;
    rate[3] = descent.aspect_rate;
    rate[4] = descent.rotation_rate / fmaxf(root, 1.0f / root);
    rate[5] = descent.opacity_rate;
    for (int k = 6; k < kParams; ++k) rate[k] = descent.color_rate;
}

// Converts the gradient of the params to that of the variables.
__device__ __forceinline__ void pull_back(const Scene& scene, int64_t i, const float* free, float* grad) {
    const Descent& descent = scene.descent;
    for (int k = 0; k < kParams; ++k) grad[k] = descent.grad[i * kParams + k];
    for (int k = 0; k < 3; ++k) grad[k] /= descent.shrink;
    const float cosine = cosf(free[4]), sine = sinf(free[4]), x = grad[0], y = grad[1];
    grad[0] = cosine * x + sine * y;  // along own axes
    grad[1] = cosine * y - sine * x;
    grad[2] *= free[2];
    grad[3] *= free[3];
    grad[5] *= free[5] * (1.0f - free[5]);
#if LINEAR
    const float* color = (descent.limited ? descent.encoded : descent.free) + i * kParams;
    for (int k = 6; k < kParams; ++k) {
        float slope;
        decoded(color[k], slope);
        grad[k] *= slope;
    }
#endif
}

// The nearest value within bounds; a rotation first by full turns to the nearest to their middle.
__device__ __forceinline__ float bounded(int k, float value, float low, float high) {
    if (k == 4 && !(value >= low && value <= high) && low > -INFINITY && high < INFINITY) {
        const float turn = 6.283185307179586f;
        value -= turn * rintf((value - 0.5f * (low + high)) / turn);
    }
    return fminf(fmaxf(value, low), high);
}

// Makes a step of Adam for a primitive.
__device__ void descend(const Scene& scene, int64_t i) {
    const Descent& descent = scene.descent;
    float* free = descent.free + i * kParams;
    float grad[kParams], rate[kParams], step[kParams], before[kParams];
    for (int k = 0; k < kParams; ++k) before[k] = free[k];
    pull_back(scene, i, before, grad);
    rates(descent, before, rate);
    const float age = descent.age[i] += 1.0f;
    // Both moments start at 0; the corrections make them means.
    const float first_share = 1.0f - powf(descent.momentum, age);
    const float second_share = 1.0f - powf(descent.second_momentum, age);
    for (int k = 0; k < kParams; ++k) {
        float& first = descent.first[i * kParams + k];
        float& second = descent.second[i * kParams + k];
        first += (1.0f - descent.momentum) * (grad[k] - first);
        second += (1.0f - descent.second_momentum) * (grad[k] * grad[k] - second);
        step[k] = first / first_share / (sqrtf(second / second_share) + descent.epsilon) * rate[k] * descent.rate;
    }
    const float cosine = cosf(before[4]), sine = sinf(before[4]);
    float after[kParams];
    for (int k = 0; k < kParams; ++k) after[k] = before[k] - step[k];
    after[0] = before[0] - (cosine * step[0] - sine * step[1]);
    after[1] = before[1] - (sine * step[0] + cosine * step[1]);
    after[2] = before[2] * expf(-step[2]);
    after[3] = before[3] * expf(-step[3]);
    after[5] = before[5] / (before[5] + (1.0f - before[5]) * expf(step[5]));
    for (int k = 0; k < kParams; ++k) {
        const int64_t at = i * kParams + k;
        if (!descent.frozen[at]) free[k] = bounded(k, after[k], descent.low[at], descent.high[at]);
    }
}
