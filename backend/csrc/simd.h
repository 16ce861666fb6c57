// Vectors of 16 values, one per pixel of a tile's row, for clang's vector extensions (zig's compiler).
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef float Float16 __attribute__((vector_size(64)));
typedef int32_t Int16 __attribute__((vector_size(64)));
typedef uint32_t Uint16 __attribute__((vector_size(64)));
constexpr int kLanes = 16;

static inline Float16 splat(float value) {
    return Float16{} + value;
}

// Clamps to [low, high]; NaN becomes `low`. The vector extensions alone would make a comparison and a blend per half.
static inline Float16 clamped(Float16 value, float low, float high) {
#if defined(__AVX512F__)
    return (Float16)_mm512_min_ps(_mm512_max_ps((__m512)value, _mm512_set1_ps(low)), _mm512_set1_ps(high));
#elif defined(__AVX2__)
    union {
        Float16 all;
        __m256 half[2];
    } v;
    v.all = value;
    for (int i = 0; i < 2; ++i)
        v.half[i] = _mm256_min_ps(_mm256_max_ps(v.half[i], _mm256_set1_ps(low)), _mm256_set1_ps(high));
    return v.all;
#else
    value = value > low ? value : splat(low);
    return value < high ? value : splat(high);
#endif
}

static inline Float16 most(Float16 value, float low) {
    return value > low ? value : splat(low);
}

// Returns `low` where the value does not exceed the limit.
static inline Float16 select(Float16 value, float limit, Float16 low, Float16 high) {
    return value <= limit ? low : high;
}

static inline Float16 square_root(Float16 value) {
    return __builtin_elementwise_sqrt(value);
}

// The cube root of positive values: a third of the exponent, then two steps of Halley's method (3 %, 3e-5, rounding).
static inline Float16 cube_root(Float16 value) {
    const Float16 third = __builtin_convertvector((Int16)value, Float16) * (1.0f / 3.0f) + 709921077.0f;
    Float16 root = (Float16) __builtin_convertvector(third, Int16);
    for (int i = 0; i < 2; ++i) {
        const Float16 cube = root * root * root;
        root *= (cube + 2.0f * value) / (2.0f * cube + value);
    }
    return root;
}

static inline Float16 lane_numbers() {
    return Float16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

// Whether all lanes are below a limit; NaN is not.
static inline bool all_below(Float16 value, float limit) {
    return __builtin_reduce_and(value < limit);
}

// The sums of pairs of neighboring lanes: a's in the even lanes, b's in the odd ones.
static inline Float16 pair_sums(Float16 a, Float16 b) {
    return __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
           __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
}

static inline Float16 quad_sums(Float16 a, Float16 b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

static inline Float16 half_sums(Float16 a, Float16 b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

// Lane i of the result is the sum of all lanes of v[i]: a transposition with additions.
static inline Float16 sums(const Float16* v) {
    Float16 quads[4];
    for (int i = 0; i < 4; ++i)
        quads[i] = quad_sums(pair_sums(v[4 * i], v[4 * i + 1]), pair_sums(v[4 * i + 2], v[4 * i + 3]));
    return half_sums(half_sums(quads[0], quads[1]), half_sums(quads[2], quads[3]));
}

static inline float sum(Float16 v) {
    const auto eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                       __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    const auto four =
        __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

// table[index] for each lane.
static inline Uint16 gather(const uint32_t* table, Int16 index) {
#if __has_feature(address_sanitizer)  // it does not see what these instructions read
    Uint16 result;
    for (int i = 0; i < kLanes; ++i) result[i] = table[index[i]];
    return result;
#elif defined(__AVX512F__)
    return (Uint16)_mm512_i32gather_epi32((__m512i)index, table, 4);
#elif defined(__AVX2__)
    union {
        Int16 all;
        __m256i half[2];
    } from, to;
    from.all = index;
    for (int i = 0; i < 2; ++i) to.half[i] = _mm256_i32gather_epi32((const int*)table, from.half[i], 4);
    return (Uint16)to.all;
#else
    Uint16 result;
    for (int i = 0; i < kLanes; ++i) result[i] = table[index[i]];
    return result;
#endif
}

static inline Float16 gather(const float* table, Int16 index) {
    return (Float16)gather((const uint32_t*)table, index);
}

static inline Float16 byte_of(Uint16 packed, int byte) {
    return __builtin_convertvector((Int16)((packed >> (8 * byte)) & 0xffu), Float16);
}

// The first `count` values of a row, then zeros.
static inline Float16 load(const float* from, int count) {
    Float16 value{};
    if (count >= kLanes)
        memcpy(&value, from, sizeof value);
    else
        memcpy(&value, from, count * sizeof(float));
    return value;
}

static inline void store(float* to, Float16 value, int count) {
    memcpy(to, &value, (count >= kLanes ? kLanes : count) * sizeof(float));
}
