// The noise canvas: a random color per pixel, made where it is needed. A key, of the seed and the step, chooses it.
#pragma once
#include "elementary.h"
#if !defined(__CUDACC__)
#include "simd.h"
#endif

// V: uint32_t or a vector of it. The finalizer of MurmurHash3.
template <class V>
DEVICE_INLINE V mixed_bits(V h) {
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    return h ^ (h >> 16);
}

// The random bits of a pixel; number = y * width + x, modulo 2^32. Ten for each channel.
template <class V>
DEVICE_INLINE V noise_bits(V number, uint32_t key) {
    return mixed_bits(number * 0x9E3779B1u + key);
}

// a * b + c with two roundings, on every processor.
DEVICE_INLINE float rounded_twice(float a, float b, float c) {
    UNFUSED
#if defined(__CUDACC_RTC__)
    return __fadd_rn(__fmul_rn(a, b), c);
#else
    return a * b + c;
#endif
}

// A channel of the noise: of random bits, with contrast around gray; in light where a decoding table is given.
DEVICE_INLINE float noise_of(uint32_t bits, int channel, float contrast, const float* decode) {
    const float u = (float)((bits >> (10 * channel)) & 1023u) / 1023.0f;
    float value = rounded_twice(u - 0.5f, contrast, 0.5f);
    value = value < 0.0f ? 0.0f : (value > 1.0f ? 1.0f : value);
    return decode ? decode[(int)rounded_twice(value, 1020.0f, 0.5f)] : value;
}

#if !defined(__CUDACC__)
static inline Floats rounded_twice(Floats a, float b, float c) {
    UNFUSED
    return a * b + c;
}

// The same of a row's pixels.
static inline Floats noise_of(Uints bits, int channel, float contrast, const float* decode) {
    const Floats u = __builtin_convertvector((Ints)((bits >> (10 * channel)) & 1023u), Floats) / 1023.0f;
    const Floats value = clamped(rounded_twice(u - 0.5f, contrast, 0.5f), 0.0f, 1.0f);
    if (!decode) return value;
    return gather(decode, __builtin_convertvector(rounded_twice(value, 1020.0f, 0.5f), Ints));
}

// The random bits of the 8 pixels from `number` on.
static inline Uints noise_bits_from(uint32_t number, uint32_t key) {
    return noise_bits(number + Uints{0, 1, 2, 3, 4, 5, 6, 7}, key);
}
#endif
