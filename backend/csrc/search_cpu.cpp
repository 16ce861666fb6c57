// Candidates are drawn and varied by random numbers: see fitting/default/relocation.py.
#include "descent.h"
#include "random.h"
#include "scene.h"

// The input and output of a drawing; backend/fitting/default/drawing.py mirrors this struct. Lengths are in px of the
// canvas, planes in pixels of the picture.
struct Drawing {
    const float* loss_map;      // [height, width] >= 0
    double* sums;               // [pixels / kBlock, rounded up] running sums of it, after each block
    const float* tensor;        // [3, height / step, width / step], rounded up: the structure tensor xx, xy, yy
    const float* low;           // [templates, kParams]
    const float* high;          // [templates, kParams]
    const uint8_t* free;        // [templates] 1: any rotation
    const uint8_t* may_mirror;  // [templates]
    const float* stretch;       // [templates] greatest aspect
    const float* long_axis;     // [templates] radians from u
    const int64_t* shares;      // [templates] running sums
    float* params;              // [count, kParams] out; varied in place
    int64_t* stamp;             // [count] template
    uint8_t* mirror;            // [count]
    int64_t count, templates, height, width, step;
    uint64_t key;
    int64_t counter;
    float shrink;  // canvas px per pixel of the picture
    float error_blur, smallest, largest, opacity, least_scale;
    float oriented;   // share of those that lie along edges
    float stretched;  // standard deviation of their aspect's logarithm
    float turned;     // standard deviation of their angle to the edge
    float reach;      // of a variation
};

constexpr int kBlock = 16;  // pixels
// Random numbers of a candidate that is drawn or varied; counters do not depend on what is used of them.
constexpr int kDrawn = 12, kVaried = 8;
constexpr float kHalfTurn = 3.14159265f, kTurn = 6.28318531f;

static_assert(sizeof(Drawing) == 200, "");

static void sum_blocks(const Drawing& all) {
    const int64_t pixels = all.height * all.width;
    double sum = 0.0;
    for (int64_t i = 0; i < pixels; ++i) {
        sum += all.loss_map[i];
        all.sums[i / kBlock] = sum;
    }
}

// The first pixel up to which the error sums to this share of it.
static int64_t pixel_at(const Drawing& all, double share) {
    const int64_t pixels = all.height * all.width;
    int64_t low = 0, high = (pixels + kBlock - 1) / kBlock - 1;
    const double aim = share * all.sums[high];
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (all.sums[middle] >= aim)
            high = middle;
        else
            low = middle + 1;
    }
    double sum = low > 0 ? all.sums[low - 1] : 0.0;
    const int64_t end = (low + 1) * kBlock < pixels ? (low + 1) * kBlock : pixels;
    for (int64_t i = low * kBlock; i < end; ++i) {
        sum += all.loss_map[i];
        if (sum >= aim) return i;
    }
    return end - 1;
}

// A template by its share.
static int64_t drawn_stamp(const Drawing& all, double share) {
    int64_t low = 0, high = all.templates - 1;
    const double aim = share * (double)all.shares[high];
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if ((double)all.shares[middle] > aim)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// Keeps the limits of a candidate's template.
static void allow(const Drawing& all, int64_t i) {
    float* params = all.params + i * kParams;
    const float *low = all.low + all.stamp[i] * kParams, *high = all.high + all.stamp[i] * kParams;
    params[2] = params[2] > all.least_scale ? params[2] : all.least_scale;
    for (int k = 6; k < kParams; ++k) params[k] = 0.5f;
    for (int k = 0; k < kParams; ++k) params[k] = bounded(k, params[k], low[k], high[k]);
}

// Gives a candidate the direction of the edge at a pixel, and an aspect by how clear that edge is.
static void lay_along_edge(const Drawing& all, int64_t i, int64_t pixel, float stretch, float turn, bool flipped) {
    constexpr float kFaint = 1e-5f;  // squared slope per px^2 that counts as flat: 8-bit noise has no direction
    const int64_t columns = (all.width + all.step - 1) / all.step, rows = (all.height + all.step - 1) / all.step;
    const int64_t plane = rows * columns;
    const float* tensor = all.tensor + pixel / all.width / all.step * columns + pixel % all.width / all.step;
    const float xx = tensor[0], xy = tensor[plane], yy = tensor[2 * plane], across = xx - yy;
    const float coherence = sqrtf(across * across + 4.0f * xy * xy) / (xx + yy + kFaint);
    const float edge = 0.5f * arc_tangent(2.0f * xy, across) + 0.5f * kHalfTurn;
    // A stamp that is long along u stretches u along the edge; one that is long across u shrinks u.
    const float own = all.long_axis[all.stamp[i]];
    const float sign = fabsf(own) > 0.25f * kHalfTurn ? -1.0f : 1.0f;
    all.params[i * kParams + 3] = exp_of(sign * all.stretched * coherence * fabsf(stretch));
    all.params[i * kParams + 4] = edge - own + all.turned * turn + (flipped ? kHalfTurn : 0.0f);
}

// Draws a candidate: where the error is, of any size, along an edge or as its limits allow.
static void draw(const Drawing& all, int64_t i) {
    Random random = {all.key, all.counter + kDrawn * i};
    float* params = all.params + i * kParams;
    const int64_t pixel = pixel_at(all, uniform64(random));
    const int64_t stamp = all.stamp[i] = drawn_stamp(all, uniform64(random));
    float aside[2], stretch, turn;
    normals(random, aside[0], aside[1]);
    // The same as drawing from a blurred error.
    params[0] = ((float)(pixel % all.width) + (all.error_blur * aside[0] + 0.5f)) * all.shrink;
    params[1] = ((float)(pixel / all.width) + (all.error_blur * aside[1] + 0.5f)) * all.shrink;
    params[2] = all.smallest * power(all.largest / all.smallest, uniform(random));
    params[5] = all.opacity;
    const float *low = all.low + stamp * kParams, *high = all.high + stamp * kParams;
    const float start = all.free[stamp] ? 0.0f : low[4], span = all.free[stamp] ? kTurn : high[4] - low[4];
    params[4] = start + span * uniform(random);
    const float wide = 2.0f * uniform(random) - 1.0f;
    const bool oriented = uniform(random) < all.oriented;
    normals(random, stretch, turn);
    const bool flipped = uniform(random) < 0.5f, mirrored = uniform(random) < 0.5f;
    if (oriented)
        lay_along_edge(all, i, pixel, stretch, turn, flipped);
    else
        params[3] = power(all.stretch[stamp], wide);
    all.mirror[i] = all.may_mirror[stamp] && mirrored;
    allow(all, i);
}

// Moves a candidate nearby, and sometimes gives it another template.
static void vary(const Drawing& all, int64_t i) {
    Random random = {all.key, all.counter + kVaried * i};
    float *params = all.params + i * kParams, normal[6];
    for (int k = 0; k < 6; k += 2) normals(random, normal[k], normal[k + 1]);
    const float step = 0.6f * all.reach * params[2];
    params[0] += step * normal[0];
    params[1] += step * normal[1];
    params[2] *= exp_of(0.6f * all.reach * normal[2]);
    params[3] *= exp_of(all.reach * normal[3]);
    params[4] += 1.2f * all.reach * normal[4];
    const int64_t other = drawn_stamp(all, uniform64(random));
    if (uniform(random) < 0.3f) all.stamp[i] = other;
    all.mirror[i] &= all.may_mirror[all.stamp[i]];
    allow(all, i);
}

EXPORT void diffbmp_draw(const Drawing* all) {
    sum_blocks(*all);
    for (int64_t i = 0; i < all->count; ++i) draw(*all, i);
}

EXPORT void diffbmp_vary(const Drawing* all) {
    for (int64_t i = 0; i < all->count; ++i) vary(*all, i);
}

// Weights [3, pixels] that turn squared errors of light into encoded ones, to first order: those of the pixels times
// the squared slope of the encoding between image and target.
EXPORT void diffbmp_light_weights(const float* weight, const float* image, const float* target, int64_t pixels,
                                  float* result) {
    for (int64_t at = 0; at < pixels; at += kLanes) {
        const int columns = pixels - at < kLanes ? (int)(pixels - at) : kLanes;
        const Floats own = load(weight + at, columns);
        for (int c = 0; c < 3; ++c) {
            const int64_t there = c * pixels + at;
            Floats slope;
            encoded(0.5f * (load(image + there, columns) + load(target + there, columns)), slope);
            store(result + there, own * slope * slope, columns);
        }
    }
}
