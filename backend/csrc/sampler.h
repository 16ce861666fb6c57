// Samples of a tile's rows: positions on a mip level, its alpha there, and the primitive's color.
#pragma once
#include "raster_math.h"
#include "simd.h"

// The positions of a tile's rows of samples on a primitive's level, in texels from the texel at the tile's corner.
// Within a tile coordinates are small, and so is their rounding, which decides on which side of a texel's border a
// sample falls.
struct Sampler {
    Floats u[2], v[2];   // of the top row: its left half, and its right one
    float m01, m11;      // texels per row
    float low_u, low_v;  // the level's ends
    float high_u, high_v;
    uint32_t first;  // index of the corner's footprint, modulo 2^32: no sample lies outside of the table
    uint32_t stride;

    // Of the rows from the canvas row `top` on, `step` rows apart.
    Sampler(const Primitive& q, int left, int top, int step)
        : m01(q.m01 * step), m11(q.m11 * step), stride(q.level->width + 3) {
        const Level* level = q.level;
        const double dx = left + 0.5 - q.x, dy = top + 0.5 - q.y;
        const double origin_u = (level->width - 1) * 0.5 + kBorder, origin_v = (level->height - 1) * 0.5 + kBorder;
        const Corner at_u = corner_at(q.exact[0] * dx + q.exact[1] * dy + origin_u, level->width);
        const Corner at_v = corner_at(q.exact[2] * dx + q.exact[3] * dy + origin_v, level->height);
        for (int half = 0; half < 2; ++half) {
            u[half] = (lane_numbers() + (float)(half * kLanes)) * q.m00 + at_u.part;
            v[half] = (lane_numbers() + (float)(half * kLanes)) * q.m10 + at_v.part;
        }
        low_u = at_u.low;
        low_v = at_v.low;
        high_u = at_u.high;
        high_v = at_v.high;
        first = (uint32_t)at_v.whole * stride + (uint32_t)at_u.whole;
    }

    Floats row_u(int row, int half = 0) const { return u[half] + splat((float)row) * splat(m01); }
    Floats row_v(int row, int half = 0) const { return v[half] + splat((float)row) * splat(m11); }

    // The index of each lane's footprint, and the position in it.
    Ints footprint(Floats at_u, Floats at_v, Floats& fu, Floats& fv) const {
        at_u = clamped(at_u, low_u, high_u);
        at_v = clamped(at_v, low_v, high_v);
        const Floats whole_u = __builtin_elementwise_floor(at_u), whole_v = __builtin_elementwise_floor(at_v);
        fu = at_u - whole_u;
        fv = at_v - whole_v;
        const Uints texel_u = (Uints) __builtin_convertvector(whole_u, Ints);
        const Uints texel_v = (Uints) __builtin_convertvector(whole_v, Ints);
        return (Ints)(texel_v * stride + texel_u + first);
    }
};

// Asks for the footprints that a tile's samples read, 16 to a line of the cache: where stamps are many, they come from
// memory, and no processor foresees them.
static inline void prefetch(const Primitive& q, int left, int top, int step) {
    const Level* level = q.level;
    const float half = kTile / 2, down = half * step;
    const float dx = left + half - q.x, dy = top + down - q.y;
    const float u = q.m00 * dx + q.m01 * dy + (level->width - 1) * 0.5f + kBorder;
    const float v = q.m10 * dx + q.m11 * dy + (level->height - 1) * 0.5f + kBorder;
    const float reach_u = half * __builtin_fabsf(q.m00) + down * __builtin_fabsf(q.m01);
    const float reach_v = half * __builtin_fabsf(q.m10) + down * __builtin_fabsf(q.m11);
    auto inside = [](float at, int32_t last) { return at > 0.0f ? (at < last ? (int32_t)at : last) : 0; };
    const int32_t first_u = inside(u - reach_u, level->width + 2), last_u = inside(u + reach_u, level->width + 2);
    const int32_t first_v = inside(v - reach_v, level->height + 2), last_v = inside(v + reach_v, level->height + 2);
    if (last_u - first_u > 4 * kTile || last_v - first_v > 4 * kTile) return;  // far too fine: samples lie apart
    const uint32_t* row = level->alpha + (int64_t)first_v * (level->width + 3);
    for (int32_t y = first_v; y <= last_v; ++y, row += level->width + 3)
        for (int32_t x = first_u; x < last_u + 16; x += 16) __builtin_prefetch(row + (x < last_u ? x : last_u));
}

static inline void sample(const uint32_t* table, Ints index, Floats fu, Floats fv, Floats& value, Floats& slope_u,
                          Floats& slope_v) {
    const Uints packed = gather(table, index);
    bilinear(byte_of(packed, 0), byte_of(packed, 1), byte_of(packed, 2), byte_of(packed, 3), fu, fv, value, slope_u,
             slope_v);
}

// A primitive's colors: flat, or p + q * texture, the texture decoded to light where a table is given (straight lines
// between its entries).
template <bool kTextured>
struct Shader {
    const uint32_t* texture;
    const float* decode;
    Floats p[3], q[3];

    Shader(const Primitive& primitive, const float* decoding_table)
        : texture(primitive.level->texture), decode(decoding_table) {
        for (int c = 0; c < 3; ++c) {
            p[c] = splat(primitive.p[c]);
            q[c] = splat(primitive.q[c]);
        }
    }

    void at(Ints index, Floats fu, Floats fv, int c, Floats& value, Floats& slope_u, Floats& slope_v) const {
        sample(texture, index * 3 + c, fu, fv, value, slope_u, slope_v);
        if (!decode) return;
        const Floats steps = clamped(value * 4.0f, 0.0f, 1020.0f);
        const Ints whole = __builtin_convertvector(steps, Ints);
        const Floats low = gather(decode, whole), rise = gather(decode + 1, whole) - low;
        value = low + (steps - __builtin_convertvector(whole, Floats)) * rise;
        slope_u *= 4.0f * rise;
        slope_v *= 4.0f * rise;
    }
};
