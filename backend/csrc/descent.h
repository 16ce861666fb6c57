// A step of Adam on the variables of a fit, and what is drawn of them: shared by the CPU and CUDA. The mathematics of
// the recipe's descent is stated here alone; backend/fitting/optimizer.py describes the variables.
#pragma once
#include "elementary.h"
#include "raster_math.h"

// The part of a whole step of a fit besides its picture: see engines.interface.Variables and AdamRule.
struct Descent {
    float* free;                 // [count, kParams] px of the canvas, colors encoded
    float* first;                // [count, kParams] moments
    float* second;               // [count, kParams]
    float* age;                  // [count]
    const float* low;            // [count, kParams]
    const float* high;           // [count, kParams]
    const uint8_t* frozen;       // [count, kParams]
    const int32_t* template_of;  // [count]
    float* params;               // [count, kParams] out: as drawn
    float* encoded;              // [count, kParams] out: the same in px of the canvas and with encoded colors
    int32_t* level;              // [count] out: indices into the levels, kMissing where there is none
    const float* grad;           // [count, kParams] of params
    const int32_t* facts;        // [templates, 3] longer side in texels, number of levels along u and along v
    const int32_t*
        level_numbers;     // [templates, levels_u, levels_v] indices into the levels; null: levels do not matter
    const float* palette;  // [palette_count, 3] encoded; null if any color will do
    uint8_t* missing;      // [templates, levels_u, levels_v] out: set to 1 for kMissing; may be null
    int32_t count, palette_count, levels_u, levels_v;
    int32_t limited;  // 1: the palette's colors are drawn
    int32_t linear;   // 1: params have linear light
    float momentum, second_momentum, epsilon;
    float position_rate, widest, least, scale_rate, aspect_rate, rotation_rate, opacity_rate, color_rate;
    float rate;    // factor on all steps
    float bias;    // most texels per canvas px
    float shrink;  // canvas px per px of the picture
};

static_assert(sizeof(Descent) == 208, "");

constexpr int32_t kMissing = -1;

// The linear light of an sRGB value, and the derivative.
DEVICE_INLINE float decoded(float encoded, float& slope) {
    const bool dark = !(encoded > 0.04045f);
    const float base = ((dark ? 0.04045f : encoded) + 0.055f) / 1.055f, curve = power(base, 1.4f);
    slope = dark ? 1.0f / 12.92f : 2.4f / 1.055f * curve;
    return dark ? encoded / 12.92f : curve * base;
}

// The index of the palette's nearest color, the first one of several.
DEVICE_INLINE int nearest_color(const float* palette, int count, const float* color) {
    int nearest = 0;
    float least = INFINITY;
    for (int k = 0; k < count; ++k) {
        float distance = 0.0f;
        for (int c = 0; c < 3; ++c) distance += (color[c] - palette[3 * k + c]) * (color[c] - palette[3 * k + c]);
        if (distance < least) {
            least = distance;
            nearest = k;
        }
    }
    return nearest;
}

// The finest level of an axis (half, px) with at most `bias` texels per pixel.
DEVICE_INLINE int finest_level(int32_t longer_side, int32_t count, float axis, float bias) {
    const float texels = (float)longer_side / (2.0f * bias * (axis <= 1e-6f ? 1e-6f : axis));
    if (!(texels > 1.0f)) return 0;
    // The slack keeps a stamp of exactly `bias` texels per pixel on its level despite rounding.
    const int level = (int)ceil(2.0 * log2_of((double)texels) - 1e-4);
    return level < count - 1 ? level : count - 1;
}

// The finest levels along u and v of a template with these facts.
DEVICE_INLINE void finest_levels(const int32_t* facts, float scale, float aspect, float bias, int* level) {
    const float root = sqrtf(aspect);
    level[0] = finest_level(facts[0], facts[1], scale * root, bias);
    level[1] = finest_level(facts[0], facts[2], scale / root, bias);
}

// Makes a primitive's params from its variables, with the color in the palette and the compositing space, and chooses
// its level. Returns whether that exists.
DEVICE_INLINE bool show(const Descent& descent, int64_t i) {
    const float* free = descent.free + i * kParams;
    float* encoded = descent.encoded + i * kParams;
    float* params = descent.params + i * kParams;
    for (int k = 0; k < kParams; ++k) encoded[k] = params[k] = free[k];
    for (int k = 0; k < 3; ++k) params[k] /= descent.shrink;
    if (descent.palette) {
        const float* color = descent.palette + 3 * nearest_color(descent.palette, descent.palette_count, free + 6);
        for (int c = 0; c < 3; ++c) {
            // A locked color stays, even with a palette.
            if (!descent.frozen[i * kParams + 6 + c]) encoded[6 + c] = color[c];
            if (descent.limited) params[6 + c] = encoded[6 + c];
        }
    }
    float slope;
    if (descent.linear)
        for (int k = 6; k < kParams; ++k) params[k] = decoded(params[k], slope);
    if (!descent.level_numbers) return true;
    int level[2];
    const int64_t number = descent.template_of[i];
    finest_levels(descent.facts + 3 * number, free[2], free[3], descent.bias, level);
    const int64_t at = (number * descent.levels_u + level[0]) * descent.levels_v + level[1];
    descent.level[i] = descent.level_numbers[at];
    if (descent.level[i] != kMissing) return true;
    if (descent.missing) descent.missing[at] = 1;
    return false;
}

// The lengths of full steps of the variables.
DEVICE_INLINE void rates(const Descent& descent, const float* free, float* rate) {
    const float root = sqrtf(free[3]), axes[2] = {free[2] * root, free[2] / root};
    for (int k = 0; k < 2; ++k)
        rate[k] = (axes[k] < descent.widest ? axes[k] : descent.widest) * descent.position_rate + descent.least;
    rate[2] = descent.scale_rate;
    rate[3] = descent.aspect_rate;
    rate[4] = descent.rotation_rate / (root > 1.0f ? root : 1.0f / root);
    rate[5] = descent.opacity_rate;
    for (int k = 6; k < kParams; ++k) rate[k] = descent.color_rate;
}

// Converts the gradient of a primitive's params to that of its variables: positions along its own axes, logarithms of
// scale and aspect, the logit of opacity, encoded colors.
DEVICE_INLINE void pull_back(const Descent& descent, int64_t i, const float* free, float cosine, float sine,
                             float* grad) {
    for (int k = 0; k < kParams; ++k) grad[k] = descent.grad[i * kParams + k];
    for (int k = 0; k < 3; ++k) grad[k] /= descent.shrink;
    const float x = grad[0], y = grad[1];
    grad[0] = cosine * x + sine * y;
    grad[1] = cosine * y - sine * x;
    grad[2] *= free[2];
    grad[3] *= free[3];
    grad[5] *= free[5] * (1.0f - free[5]);
    if (!descent.linear) return;
    const float* color = (descent.limited ? descent.encoded : descent.free) + i * kParams;
    for (int k = 6; k < kParams; ++k) {
        float slope;
        decoded(color[k], slope);
        grad[k] *= slope;
    }
}

// The nearest value within bounds; a rotation (k = 4) first by full turns to the nearest to their middle.
DEVICE_INLINE float bounded(int k, float value, float low, float high) {
    if (k == 4 && !(value >= low && value <= high) && low > -INFINITY && high < INFINITY) {
        const float turn = 6.283185307179586f;
        value -= turn * rintf((value - 0.5f * (low + high)) / turn);
    }
    value = value > low ? value : low;
    return value < high ? value : high;
}

// Subtracts a step of its variables from a primitive's params.
DEVICE_INLINE void stepped(const float* before, const float* step, float cosine, float sine, float* after) {
    for (int k = 0; k < kParams; ++k) after[k] = before[k] - step[k];
    after[0] = before[0] - (cosine * step[0] - sine * step[1]);
    after[1] = before[1] - (sine * step[0] + cosine * step[1]);
    after[2] = before[2] * exp_of(-step[2]);
    after[3] = before[3] * exp_of(-step[3]);
    after[5] = before[5] / (before[5] + (1.0f - before[5]) * exp_of(step[5]));
}

// What makes means of the moments, which start at 0, after a number of steps.
struct Correction {
    float age, first, second;
};

// Makes a step of Adam for a primitive. correction: of the previous one, which mostly is of the same age.
DEVICE_INLINE void descend(const Descent& descent, int64_t i, Correction& correction) {
    float* free = descent.free + i * kParams;
    float grad[kParams], rate[kParams], step[kParams], before[kParams], after[kParams];
    for (int k = 0; k < kParams; ++k) before[k] = free[k];
    double wide_sine, wide_cosine;
    sine_cosine((double)before[4], wide_sine, wide_cosine);
    const float sine = (float)wide_sine, cosine = (float)wide_cosine;
    pull_back(descent, i, before, cosine, sine, grad);
    rates(descent, before, rate);
    const float age = descent.age[i] += 1.0f;
    if (correction.age != age)
        correction = {age, 1.0f / (1.0f - power(descent.momentum, age)),
                      1.0f / (1.0f - power(descent.second_momentum, age))};
    for (int k = 0; k < kParams; ++k) {
        float& first = descent.first[i * kParams + k];
        float& second = descent.second[i * kParams + k];
        first += (1.0f - descent.momentum) * (grad[k] - first);
        second += (1.0f - descent.second_momentum) * (grad[k] * grad[k] - second);
        const float size = sqrtf(second * correction.second) + descent.epsilon;
        step[k] = first * correction.first / size * (rate[k] * descent.rate);
    }
    stepped(before, step, cosine, sine, after);
    for (int k = 0; k < kParams; ++k) {
        const int64_t at = i * kParams + k;
        if (!descent.frozen[at]) free[k] = bounded(k, after[k], descent.low[at], descent.high[at]);
    }
}
