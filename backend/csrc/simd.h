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

static inline Float16 clamped(Float16 value, float high) {
    return __builtin_elementwise_min(__builtin_elementwise_max(value, Float16{}), splat(high));
}

static inline Float16 lane_numbers() {
    return Float16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

static inline float sum(Float16 value) {
    typedef float Float8 __attribute__((vector_size(32)));
    typedef float Float4 __attribute__((vector_size(16)));
    const Float8 a = __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15);
    const Float4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}

// table[index] for each lane.
static inline Uint16 gather(const uint32_t* table, Int16 index) {
#if defined(__AVX512F__)
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

// The first `count` values of a row, zero behind them.
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
