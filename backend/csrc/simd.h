// Vectors of 8 values, one per pixel of a tile's row, for clang's vector extensions (zig's compiler). Wider ones would
// visit more pixels beside small primitives, and spill.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef uint32_t Uints __attribute__((vector_size(32)));
constexpr int kLanes = 8;

static inline Floats splat(float value) {
    return Floats{} + value;
}

// Clamps to [low, high]; NaN becomes `low`. The vector extensions alone would make a comparison and a blend each.
static inline Floats clamped(Floats value, float low, float high) {
#if defined(__AVX2__)
    return (Floats)_mm256_min_ps(_mm256_max_ps((__m256)value, _mm256_set1_ps(low)), _mm256_set1_ps(high));
#else
    value = value > low ? value : splat(low);
    return value < high ? value : splat(high);
#endif
}

static inline Floats most(Floats value, float low) {
    return value > low ? value : splat(low);
}

// Returns `low` where the value does not exceed the limit.
static inline Floats select(Floats value, float limit, Floats low, Floats high) {
    return value <= limit ? low : high;
}

static inline Floats square_root(Floats value) {
    return __builtin_elementwise_sqrt(value);
}

// The cube root of positive values: a third of the exponent, then two steps of Halley's method (3 %, 3e-5, rounding).
static inline Floats cube_root(Floats value) {
    const Floats third = __builtin_convertvector((Ints)value, Floats) * (1.0f / 3.0f) + 709921077.0f;
    Floats root = (Floats) __builtin_convertvector(third, Ints);
    for (int i = 0; i < 2; ++i) {
        const Floats cube = root * root * root;
        root *= (cube + 2.0f * value) / (2.0f * cube + value);
    }
    return root;
}

static inline Floats lane_numbers() {
    return Floats{0, 1, 2, 3, 4, 5, 6, 7};
}

// Whether all lanes are below a limit; NaN is not.
static inline bool all_below(Floats value, float limit) {
    return __builtin_reduce_and(value < limit);
}

// The sums of pairs of neighboring lanes: a's in the even lanes, b's in the odd ones.
static inline Floats pair_sums(Floats a, Floats b) {
    return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14) +
           __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}

static inline Floats quad_sums(Floats a, Floats b) {
    return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
           __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}

// Lane i of the result is the sum of all lanes of v[i]: a transposition with additions.
static inline Floats sums(const Floats* v) {
    const Floats a = quad_sums(pair_sums(v[0], v[1]), pair_sums(v[2], v[3]));
    const Floats b = quad_sums(pair_sums(v[4], v[5]), pair_sums(v[6], v[7]));
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

static inline float sum(Floats v) {
    const auto four = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

// table[index] for each lane.
static inline Uints gather(const uint32_t* table, Ints index) {
#if __has_feature(address_sanitizer)  // it does not see what these instructions read
    Uints result;
    for (int i = 0; i < kLanes; ++i) result[i] = table[index[i]];
    return result;
#elif defined(__AVX2__)
    return (Uints)_mm256_i32gather_epi32((const int*)table, (__m256i)index, 4);
#else
    Uints result;
    for (int i = 0; i < kLanes; ++i) result[i] = table[index[i]];
    return result;
#endif
}

static inline Floats gather(const float* table, Ints index) {
    return (Floats)gather((const uint32_t*)table, index);
}

static inline Floats byte_of(Uints packed, int byte) {
    return __builtin_convertvector((Ints)((packed >> (8 * byte)) & 0xffu), Floats);
}

// The first `count` values of a row, then zeros.
static inline Floats load(const float* from, int count) {
    Floats value{};
    if (count >= kLanes)
        memcpy(&value, from, sizeof value);
    else
        memcpy(&value, from, count * sizeof(float));
    return value;
}

static inline void store(float* to, Floats value, int count) {
    memcpy(to, &value, (count >= kLanes ? kLanes : count) * sizeof(float));
}
