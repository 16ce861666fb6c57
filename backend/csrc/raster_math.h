// The mathematics of the rasterizer, shared by the CPU and CUDA engines.
//
// V is the type of one value per pixel: a float, or a vector of floats. Loops, caching and reductions belong to the
// engines.
//
// Canvas coordinates are pixels, y down; the center of pixel (i, j) is (i + 0.5, j + 0.5). Texel coordinates (u, v) are
// relative to the template's center. Alphas and textures are fetched as texel values 0..255; the factors 1/255 are
// folded into the primitive.
#pragma once
#include "elementary.h"

constexpr int kTile = 16;   // side of a tile, px
constexpr int kParams = 9;  // x, y, scale, aspect, rotation, opacity, red, green, blue
// Texels per px: above, the texels of a tile (up to 32 px away) exceed a float's mantissa less a bit.
constexpr float kDensest = 1.3e5f;
// Texels from a tile's corner to a level's, at most: more than a tile spans plus a stamp's longest side of 16,384, and
// whole numbers of at most 2^22 with that side added, which floats and whole_part of sampler_cuda.h hold exactly.
constexpr float kFarthest = 4e6f;
// Texels around a level: one for the bilinear skirt, one where value and slope are both zero.
constexpr int kBorder = 2;

enum ColorMode : int32_t { kTint = 0, kMix = 1, kMultiply = 2 };

// One mip level of one template.
struct Level {
    const uint32_t* alpha;       // [height + 3, width + 3] 2x2 footprints of the bordered level, a byte each
    const uint32_t* texture;     // [height + 3, width + 3, 3] the same for red, green, blue; null if only tinted
    int32_t width, height;       // texels, without the border
    float density_u, density_v;  // texels per unit of the template's local square
    float box_u, box_v;          // center of the visible texels' bounding box, texels from the template's center
    float half_u, half_v;  // half extents of that box from texel center to texel center, negative if nothing is visible
    float radius;          // distance of the farthest visible texel's center from the box' center, local units
    int32_t mode;          // ColorMode
    float blend;           // b
};

// A primitive prepared for sampling: (u, v) = matrix (pixel - position).
struct Primitive {
    float x, y;                  // position, px
    float m00, m01, m10, m11;    // texels per px
    double exact[4];             // the same for a tile's corner, so that rounding does not grow with distance
    float density_u, density_v;  // texels per px along the template's own axes; u's is negative if mirrored
    float opacity;               // per texel value
    float p[3], q[3];            // color = p + q * texture; q per texel value, or per decoded value
    float box_x, box_y;          // center of the visible box, px
    float reach_x, reach_y;      // half extents of its bounding box on the canvas, px
    float radius;                // radius of its bounding circle, px
    float box_u, box_v;          // center and half extents of the visible box with its bilinear skirt, texels
    float half_u, half_v;
    const Level* level;
};

DEVICE_INLINE float least(float a, float b) {
    return a < b ? a : b;
}
DEVICE_INLINE float most(float a, float b) {
    return a > b ? a : b;
}

DEVICE_INLINE void prepare(const float* params, const Level* level, bool mirror, bool decoded, Primitive& out) {
    const double root = sqrt((double)params[3]), axis_u = params[2] * root, axis_v = params[2] / root;
    double sine, cosine;
    sine_cosine((double)params[4], sine, cosine);
    const double du = (mirror ? -level->density_u : level->density_u) / axis_u, dv = level->density_v / axis_v;
    out.x = params[0];
    out.y = params[1];
    out.density_u = (float)du;
    out.density_v = (float)dv;
    out.exact[0] = du * cosine;
    out.exact[1] = du * sine;
    out.exact[2] = -dv * sine;
    out.exact[3] = dv * cosine;
    out.m00 = (float)out.exact[0];
    out.m01 = (float)out.exact[1];
    out.m10 = (float)out.exact[2];
    out.m11 = (float)out.exact[3];
    out.opacity = params[5] / 255.0f;
    for (int c = 0; c < 3; ++c) {
        const float color = params[6 + c], blend = level->mode == kTint ? 0.0f : level->blend;
        out.p[c] = (1.0f - blend) * color;
        out.q[c] = (level->mode == kMultiply ? blend * color : blend) * (decoded ? 1.0f : 1.0f / 255.0f);
    }
    out.level = level;
    out.box_u = level->box_u;
    out.box_v = level->box_v;
    out.half_u = level->half_u + 1.0f;  // the skirt
    out.half_v = level->half_v + 1.0f;
    const double offset_x = level->box_u / du, offset_y = level->box_v / dv;
    out.box_x = (float)(out.x + cosine * offset_x - sine * offset_y);
    out.box_y = (float)(out.y + sine * offset_x + cosine * offset_y);
    const double extent_u = out.half_u / fabs(du), extent_v = out.half_v / dv;
    out.radius = (float)(level->radius * fmax(axis_u, axis_v) + sqrt(1.0 / (du * du) + 1.0 / (dv * dv)));
    out.reach_x = least((float)(fabs(cosine) * extent_u + fabs(sine) * extent_v), out.radius);
    out.reach_y = least((float)(fabs(sine) * extent_u + fabs(cosine) * extent_v), out.radius);
    // No reach, so invisible: axes of zero or infinite length, NaN, no visible texel.
    const bool seen = fabs(du) > 0.0 && fabs(du) < kDensest && dv > 0.0 && dv < kDensest && level->half_u >= 0.0f;
    if (!(seen && out.reach_x >= 0.0f && out.reach_y >= 0.0f)) out.reach_x = out.reach_y = -1.0f;
}

// Narrows [low, high] to where row * t + [least, most] of column * [from, to] meets [-half, half].
DEVICE_INLINE void clip_rows(float column, float row, float from, float to, float half, float& low, float& high) {
    const float a = column * from, b = column * to, near = least(a, b), far = most(a, b);
    if (fabsf(row) < 1e-6f) {
        if (near > half || far < -half) high = low - 1.0f;
        return;
    }
    const float s = (-half - far) / row, t = (half - near) / row;
    low = most(low, least(s, t));
    high = least(high, most(s, t));
}

// The heights at which a primitive may be visible on the columns from `left` on: low..high, px from the center of
// its visible box; nowhere if high < low. Exact for the bounding box and circle, nearly exact for the rotated box.
DEVICE_INLINE bool visible_heights(const Primitive& q, int left, int columns, float& low, float& high) {
    const float from = left + 0.5f - q.box_x, to = from + (columns - 1);
    const float aside = most(0.0f, most(from, -to));
    if (aside > q.reach_x) return false;
    const float height = sqrtf(most(0.0f, q.radius * q.radius - aside * aside));
    high = least(q.reach_y, height);
    low = -high;
    clip_rows(q.m00, q.m01, from, to, q.half_u, low, high);
    clip_rows(q.m10, q.m11, from, to, q.half_v, low, high);
    return true;
}

// The rows of `count` on which a primitive may be visible, first..last; row r is the canvas row top + r * step. False
// if there is none. step: a power of two. columns: from `left` on.
DEVICE_INLINE bool row_span(const Primitive& q, int left, int top, int count, int step, int& first, int& last,
                            int columns = kTile) {
    float low, high;
    if (!visible_heights(q, left, columns, low, high)) return false;
    const float start = q.box_y - top - 0.5f, slack = 1e-3f, rows = 1.0f / step;  // px; rounding must not lose a row
    low = most((low + start - slack) * rows, -1.0f);
    high = least((high + start + slack) * rows, (float)count);
    if (!(low <= high)) return false;
    first = (int)most(ceilf(low), 0.0f);
    last = (int)least(floorf(high), count - 1.0f);
    return first <= last;
}

// Tiles, including the last ones.
struct TileBox {
    int x0, y0, x1, y1;
};

// The tiles that a primitive's bounding box touches; false if it lies off the canvas or nothing of it is visible.
// step: the canvas rows from one row of a tile to its next; a tile then covers as many canvas rows more.
DEVICE_INLINE bool touched_tiles(const Primitive& q, int width, int height, TileBox& box, int step = 1) {
    // NaN fails each comparison: such a position is not drawn.
    const float right = q.box_x + q.reach_x, bottom = q.box_y + q.reach_y;
    const float left = q.box_x - q.reach_x, top = q.box_y - q.reach_y;
    if (q.reach_x < 0.0f || !(right >= 0.0f && bottom >= 0.0f && left <= width && top <= height)) return false;
    box.x0 = (int)(most(left, 0.0f) / kTile);
    box.y0 = (int)(most(top, 0.0f) / (kTile * step));
    box.x1 = (int)(least(right, width - 1.0f) / kTile);
    box.y1 = (int)(least(bottom, height - 1.0f) / (kTile * step));
    return true;
}

// The number of rows on a tile whose first one is the canvas row `top`: the last tiles may have fewer.
DEVICE_INLINE int tile_rows(int top, int height, int step) {
    const int rows = top < height ? (height - 1 - top) / step + 1 : 0;
    return rows < kTile ? rows : kTile;
}

// row_span on a tile of the canvas. phase: the canvas row of the first tiles' first row.
DEVICE_INLINE bool rows_on_tile(const Primitive& q, int tile_x, int tile_y, int height, int& first, int& last,
                                int step = 1, int phase = 0) {
    const int top = tile_y * kTile * step + phase;
    if (!row_span(q, tile_x * kTile, top, kTile, step, first, last)) return false;
    const int end = tile_rows(top, height, step) - 1;
    if (last > end) last = end;
    return first <= last;
}

// Where the pixel at a tile's corner lies along one axis of a level, in texels.
struct Corner {
    float part;       // from the texel `whole` on
    float low, high;  // the level's ends, from the texel `whole` on: whole numbers
    int32_t whole;    // at most kFarthest texels from the level's first one
};

// texel: the corner's position from the bordered level's first texel. Where it is NaN or so far away that no pixel of
// the tile lies on the level, all of them are clamped to one of its transparent ends.
DEVICE_INLINE Corner corner_at(double texel, int32_t size) {
    const double floored = floor(texel);
    const float whole = least(most((float)floored, -kFarthest), kFarthest);
    return {(float)(texel - whole), -whole, (float)(size + 2) - whole, (int32_t)whole};
}

// Bilinear value and its slopes along u and v.
template <class V>
DEVICE_INLINE void bilinear(V v00, V v10, V v01, V v11, V fu, V fv, V& value, V& slope_u, V& slope_v) {
    const V top_slope = v10 - v00, bottom_slope = v11 - v01;
    const V top = v00 + fu * top_slope;
    slope_v = v01 + fu * bottom_slope - top;
    value = top + fv * slope_v;
    slope_u = top_slope + fv * (bottom_slope - top_slope);
}

// Front-to-back 'over': adds a sample's color and lowers the transmittance behind it.
template <class V>
DEVICE_INLINE void over(V alpha, const V* color, V& transmittance, V* image) {
    const V weight = transmittance * alpha;
    for (int c = 0; c < 3; ++c) image[c] += weight * color[c];
    transmittance -= weight;
}

// The sums over a primitive's samples; one value per lane until the end.
template <class V>
struct Moments {
    V u, v;            // sum of dL/du, dL/dv
    V ux, uy, vx, vy;  // the same times the pixel's x and y from the primitive's position
    V opacity;         // sum of dL/dalpha * texel value
    V p[3];            // sum of dL/dp
    V removal;         // increase of the loss without the primitive
    V q[3];            // sum of dL/dq, of textured stamps
    V unused[2];       // a record fills a cache line
};
constexpr int kRecord = 16;   // values in it
constexpr int kSolution = 8;  // numbers of a candidate's solution, see solve in candidates_*

// One sample, back to front. behind = <dL/dimage, color behind the sample>, the projected suffix:
// dL/dalpha = T (<g, c> - behind), and before the sample the suffix is behind + alpha (<g, c> - behind).
// color_grad = dL/dcolor = T alpha g. Returns dL/d(texel value of alpha) through `grad_mask`.
template <class V>
DEVICE_INLINE void over_backward(V mask, V opacity, const V* color, V transmittance, const V* grad, V& behind,
                                 V& grad_opacity, V& grad_mask, V* color_grad) {
    const V alpha = mask * opacity;
    const V difference = grad[0] * color[0] + grad[1] * color[1] + grad[2] * color[2] - behind;
    behind += alpha * difference;
    const V grad_alpha = transmittance * difference, weight = transmittance * alpha;
    grad_opacity = grad_alpha * mask;
    grad_mask = grad_alpha * opacity;
    for (int c = 0; c < 3; ++c) color_grad[c] = weight * grad[c];
}

// From the summed moments to the gradient of the nine parameters. With axes s_u = scale sqrt(aspect), s_v = scale /
// sqrt(aspect) and (u, v) = diag(d_u / s_u, d_v / s_v) R(-rotation) (pixel - position): du/dlog s_u = -u, dv/dlog s_v =
// -v, du/drotation = (d_u s_v) / (s_u d_v) v, dv/drotation = -(s_u d_v) / (d_u s_v) u.
DEVICE_INLINE void chain(const Primitive& q, const float* params, bool decoded, const Moments<float>& sum,
                         float* grad) {
    const float ratio = q.density_u / q.density_v;
    const float uu = sum.ux * q.m00 + sum.uy * q.m01, uv = sum.ux * q.m10 + sum.uy * q.m11;  // sum of dL/du u, dL/du v
    const float vu = sum.vx * q.m00 + sum.vy * q.m01, vv = sum.vx * q.m10 + sum.vy * q.m11;
    grad[0] = -(sum.u * q.m00 + sum.v * q.m10);
    grad[1] = -(sum.u * q.m01 + sum.v * q.m11);
    grad[2] = -(uu + vv) / params[2];
    grad[3] = (vv - uu) / (2.0f * params[3]);
    grad[4] = uv * ratio - vu / ratio;
    grad[5] = sum.opacity / 255.0f;
    const float blend = q.level->mode == kTint ? 0.0f : q.level->blend;
    const float texture = q.level->mode == kMultiply ? blend * (decoded ? 1.0f : 1.0f / 255.0f) : 0.0f;
    for (int c = 0; c < 3; ++c) grad[6 + c] = (1.0f - blend) * sum.p[c] + texture * sum.q[c];
}
