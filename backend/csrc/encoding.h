// The sRGB transfer function (IEC 61966-2-1) and the loss of a pixel, shared by the CPU and CUDA engines.
#pragma once
#include "raster_math.h"
#if !defined(__CUDACC__)
#include "simd.h"
#endif

DEVICE_INLINE float square_root(float value) {
    return sqrtf(value);
}
DEVICE_INLINE float cube_root(float value) {
    return cbrtf(value);
}
// Returns `low` where the value does not exceed the limit.
DEVICE_INLINE float select(float value, float limit, float low, float high) {
    return value <= limit ? low : high;
}

// The display-encoded value of light >= 0, and its derivative. With s = sqrt(light), light^(1 / 2.4) is
// s^(5/6) = sqrt(s) cbrt(s).
template <class V>
DEVICE_INLINE V encoded(V light, V& slope) {
    const V curved = most(light, 0.0031308f), root = square_root(curved);
    const V power = 1.055f * square_root(root) * cube_root(root);
    const V dark = light * 12.92f;
    slope = select(light, 0.0031308f, V{} + 12.92f, power / (2.4f * curved));
    return select(light, 0.0031308f, dark, power - 0.055f);
}

enum Loss : int32_t { kMse = 0, kL1 = 1 };

template <class V>
DEVICE_INLINE V sign_of(V value) {
    return value > 0.0f ? V{} + 1.0f : (value < 0.0f ? V{} - 1.0f : V{});
}

// The error of a composited value, and the derivative of its display-encoded value.
template <class V>
DEVICE_INLINE V error_of(bool linear, V value, V target, V& slope) {
    slope = V{} + 1.0f;
    return (linear ? encoded(value, slope) : value) - target;
}

template <class V>
DEVICE_INLINE V loss_of(int32_t loss, V error) {
    return error * (loss == kMse ? error : sign_of(error));
}

template <class V>
DEVICE_INLINE V loss_slope(int32_t loss, V error) {
    return loss == kMse ? 2.0f * error : sign_of(error);
}

// The increase of a pixel's loss without a primitive of this color and alpha; `back`, the color behind it, moves in
// front of it. Exact: with D = dC/dalpha, the picture without it is C - alpha D. weighted: weight * loss of the
// picture.
template <class V>
DEVICE_INLINE V removal(bool linear, int32_t loss, V alpha, V transmittance, const V* color, const V* shown,
                        const V* target, V weight, V weighted, V* back) {
    V without{};
    for (int c = 0; c < 3; ++c) {
        const V step = alpha * (color[c] - back[c]);
        V slope;
        without += loss_of(loss, error_of(linear, shown[c] - transmittance * step, target[c], slope));
        back[c] += step;
    }
    return weight * without - weighted;
}
