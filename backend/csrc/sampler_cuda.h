// Samples of a tile's pixels: positions on a mip level, its alpha there, and the primitive's color.
#pragma once
#include "scene_cuda.h"

#ifndef LINEAR  // whether compositing is in linear light
#define LINEAR 0
#endif
#ifndef TEXTURED  // whether there are stamps that show their own colors
#define TEXTURED 0
#endif

// The positions of a tile's pixels on a primitive's level, in texels from the texel at the tile's corner. Within a tile
// coordinates are small, and so is their rounding, which decides on which side of a texel's border a sample falls.
struct alignas(16) Sampler {
    float u, v;                // of the corner
    float m00, m01, m10, m11;  // texels per px
    float low_u, low_v;        // the level's ends
    float high_u, high_v;
    uint32_t first;  // index of the corner's footprint, modulo 2^32: no sample lies outside of the table
    uint32_t stride;
    float opacity;
    float p[3];
    const uint32_t* alpha;
#if TEXTURED
    const uint32_t* texture;
    float q[3];
#endif
};

// The part of a tile's sampler that is computed once for all pixels.
__device__ __forceinline__ void place(const Primitive& q, int left, int top, Sampler& s) {
    const Level* level = q.level;
    const double dx = left + 0.5 - q.x, dy = top + 0.5 - q.y;
    const double origin_u = (level->width - 1) * 0.5 + kBorder, origin_v = (level->height - 1) * 0.5 + kBorder;
    const Corner at_u = corner_at(q.exact[0] * dx + q.exact[1] * dy + origin_u, level->width);
    const Corner at_v = corner_at(q.exact[2] * dx + q.exact[3] * dy + origin_v, level->height);
    s.u = at_u.part;
    s.v = at_v.part;
    s.m00 = q.m00;
    s.m01 = q.m01;
    s.m10 = q.m10;
    s.m11 = q.m11;
    s.low_u = at_u.low;
    s.low_v = at_v.low;
    s.high_u = at_u.high;
    s.high_v = at_v.high;
    s.stride = level->width + 3;
    s.first = (uint32_t)at_v.whole * s.stride + (uint32_t)at_u.whole;
    s.opacity = q.opacity;
    s.alpha = level->alpha;
    for (int c = 0; c < 3; ++c) s.p[c] = q.p[c];
#if TEXTURED
    s.texture = level->texture;
    for (int c = 0; c < 3; ++c) s.q[c] = q.q[c];
#endif
}

// The largest whole number not above a value, as a float and as an integer, for values of less than 2^22: the sum with
// 1.5 * 2^23, rounded down, holds it in its mantissa. Conversions would take a quarter of the speed.
__device__ __forceinline__ float whole_part(float value, int32_t& integer) {
    const float shifted = __fadd_rd(value, 12582912.0f);
    integer = __float_as_int(shifted) - 0x4b400000;
    return shifted - 12582912.0f;
}

// A byte of four as a float: as the last byte of 2^23's mantissa, less 2^23.
__device__ __forceinline__ float byte_of(uint32_t packed, unsigned byte) {
    return __uint_as_float(__byte_perm(packed, 0x4b000000u, 0x7440u + byte)) - 8388608.0f;
}

// The index of a pixel's footprint, and the position in it. NaN becomes the lower end.
__device__ __forceinline__ int32_t footprint(const Sampler& s, float column, float row, float& fu, float& fv) {
    const float at_u = fminf(fmaxf(column * s.m00 + s.u + row * s.m01, s.low_u), s.high_u);
    const float at_v = fminf(fmaxf(column * s.m10 + s.v + row * s.m11, s.low_v), s.high_v);
    int32_t texel_u, texel_v;
    fu = at_u - whole_part(at_u, texel_u);
    fv = at_v - whole_part(at_v, texel_v);
    // Modulo 2^32: the sum lies in the table, even if its parts do not.
    return (int32_t)((uint32_t)texel_v * s.stride + (uint32_t)texel_u + s.first);
}

// A pixel's footprint of a primitive. Those of several pixels are fetched before the first use: a thread then waits for
// memory once.
struct Footprint {
    uint32_t packed;
    float fu, fv;
#if TEXTURED
    int32_t index;
#endif
};

__device__ __forceinline__ Footprint fetch(const Sampler& s, float column, float row) {
    Footprint out;
    const int32_t index = footprint(s, column, row, out.fu, out.fv);
    out.packed = __ldg(s.alpha + index);
#if TEXTURED
    out.index = index;
#endif
    return out;
}

__device__ __forceinline__ void interpolate(uint32_t packed, float fu, float fv, float& value, float& slope_u,
                                            float& slope_v) {
    bilinear(byte_of(packed, 0), byte_of(packed, 1), byte_of(packed, 2), byte_of(packed, 3), fu, fv, value, slope_u,
             slope_v);
}

#if TEXTURED
// A channel of a stamp's own colors, decoded in linear compositing by interpolation in the table.
__device__ __forceinline__ void texture_at(const Sampler& s, const float* decode, const Footprint& at, int c,
                                           float& value, float& slope_u, float& slope_v) {
    interpolate(__ldg(s.texture + (int64_t)at.index * 3 + c), at.fu, at.fv, value, slope_u, slope_v);
#if LINEAR
    const float steps = fminf(fmaxf(value * 4.0f, 0.0f), 1020.0f);
    const int whole = (int)steps;
    const float low = __ldg(decode + whole), rise = __ldg(decode + whole + 1) - low;
    value = low + (steps - (float)whole) * rise;
    slope_u *= 4.0f * rise;
    slope_v *= 4.0f * rise;
#endif
}
#endif

// A pixel's sample of a primitive.
struct Sample {
    float mask, slope_u, slope_v;  // alpha as a texel value
    float color[3];
#if TEXTURED
    float value[3], value_u[3], value_v[3];  // the stamp's own colors, and their slopes
#endif
};

__device__ __forceinline__ void take(const Sampler& s, const float* decode, const Footprint& at, Sample& out) {
    interpolate(at.packed, at.fu, at.fv, out.mask, out.slope_u, out.slope_v);
    for (int c = 0; c < 3; ++c) {
        out.color[c] = s.p[c];
#if TEXTURED
        out.value[c] = out.value_u[c] = out.value_v[c] = 0.0f;
        if (s.texture) {
            texture_at(s, decode, at, c, out.value[c], out.value_u[c], out.value_v[c]);
            out.color[c] += s.q[c] * out.value[c];
        }
#endif
    }
}
