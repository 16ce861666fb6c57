// Candidates for primitives: the gain of each if it alone lay on top of an image.
#include "sampler.h"
#include "scene.h"

constexpr int kFewestRows = 8;  // that a candidate is judged by, if it has as many

// The pixels of a canvas whose centers lie in a primitive's bounding box, including the last ones.
struct PixelBox {
    int x0, y0, x1, y1;
};

static bool pixel_box(const Candidates& all, const Primitive& q, PixelBox& box) {
    TileBox tiles;
    if (!touched_tiles(q, all.width, all.height, tiles)) return false;
    const float slack = 1e-3f;  // px; rounding must not lose a row
    box.x0 = (int)most(ceilf(q.box_x - q.reach_x - 0.5f - slack), 0.0f);
    box.y0 = (int)most(ceilf(q.box_y - q.reach_y - 0.5f - slack), 0.0f);
    box.x1 = (int)least(floorf(q.box_x + q.reach_x - 0.5f + slack), all.width - 1.0f);
    box.y1 = (int)least(floorf(q.box_y + q.reach_y - 0.5f + slack), all.height - 1.0f);
    return box.x0 <= box.x1 && box.y0 <= box.y1;
}

// Calls visit(alpha, index, fu, fv, at, columns) for each row of samples of a primitive, by columns of 8 px from its
// left edge on; `at` is the offset of the row's first pixel in a plane. Returns for how many rows each one stands.
template <class Visit>
static int for_rows(const Candidates& all, const Primitive& q, Visit visit) {
    PixelBox box;
    if (!pixel_box(all, q, box)) return 1;
    const int height = box.y1 - box.y0 + 1;
    int step = 1;
    while (2 * step <= all.row_step && height >= 2 * step * kFewestRows) step *= 2;
    const int top = box.y0 + step / 2, count = (box.y1 - top) / step + 1;
    // At the right edge, columns begin further left, so that the last one is whole.
    const int whole = (box.x1 - box.x0) / kLanes * kLanes + kLanes, start = all.width - whole;
    if (start < box.x0) box.x0 = start > 0 ? start : 0;
    for (int x = box.x0; x <= box.x1; x += kLanes) {
        int first, last;
        if (!row_span(q, x, top, count, step, first, last, kLanes)) continue;
        const int columns = all.width - x < kLanes ? all.width - x : kLanes;
        for (int begin = first; begin <= last; begin += kTile) {  // positions are exact near a corner
            const int y = top + begin * step, rows = last - begin < kTile ? last - begin + 1 : kTile;
            const Sampler sampler(q, x, y, step);
            for (int r = 0; r < rows; ++r) {
                Floats fu, fv, mask, slope_u, slope_v;
                const Ints index = sampler.footprint(sampler.row_u(r), sampler.row_v(r), fu, fv);
                sample(q.level->alpha, index, fu, fv, mask, slope_u, slope_v);
                visit(mask * q.opacity, index, fu, fv, (int64_t)(y + r * step) * all.width + x, columns);
            }
        }
    }
    return step;
}

// The best color c of a candidate is that of least squares: with color = c s + r of a sample, the picture is
// (1 - a) C + a r + c a s, and the loss falls by constant + sum over channels of 2 c S - c^2 A, S = sum w k b,
// A = sum w k^2, k = a s, b = t - (1 - a) C - a r. The result is S[3], A[3], constant, 0.
template <bool kTextured>
static void solve(const Candidates& all, const Primitive& q, float* result) {
    const int64_t plane = (int64_t)all.width * all.height;
    const Level& level = *q.level;
    const float blend = level.mode == kTint ? 0.0f : level.blend, unit = all.linear ? 1.0f : 1.0f / 255.0f;
    const float in_s = level.mode == kMultiply ? blend * unit : 0.0f, in_r = level.mode == kMix ? blend * unit : 0.0f;
    const Shader<kTextured> shader(q, all.linear ? all.decode : nullptr);
    Floats of_lanes[kSolution] = {}, *numerator = of_lanes, *denominator = of_lanes + 3, &constant = of_lanes[6];
    const int step = for_rows(all, q, [&](Floats alpha, Ints index, Floats fu, Floats fv, int64_t at, int columns) {
        for (int c = 0; c < 3; ++c) {
            const Floats image = load(all.image + c * plane + at, columns);
            const Floats weight = load(all.weight + c * all.weight_plane + at, columns);
            const Floats error = load(all.target + c * plane + at, columns) - image;
            Floats scale = alpha * (1.0f - blend), rest = error + alpha * image;
            if constexpr (kTextured) {
                Floats value, slope_u, slope_v;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                scale += alpha * value * in_s;
                rest -= alpha * value * in_r;
            }
            numerator[c] += weight * scale * rest;
            denominator[c] += weight * scale * scale;
            constant += weight * (error * error - rest * rest);
        }
    });
    store(result, sums(of_lanes) * (float)step, kSolution);
}

// The fall of the squared error of the display-encoded picture under a candidate of a given color.
template <bool kTextured>
static float gain(const Candidates& all, const Primitive& q) {
    const int64_t plane = (int64_t)all.width * all.height;
    const Shader<kTextured> shader(q, all.linear ? all.decode : nullptr);
    Floats total{};
    const int step = for_rows(all, q, [&](Floats alpha, Ints index, Floats fu, Floats fv, int64_t at, int columns) {
        Floats loss{};
        for (int c = 0; c < 3; ++c) {
            Floats color = shader.p[c], slope;
            if constexpr (kTextured) {
                Floats value, slope_u, slope_v;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                color += shader.q[c] * value;
            }
            const Floats image = load(all.image + c * plane + at, columns), mixed = image + alpha * (color - image);
            const Floats error =
                (all.linear ? encoded(mixed, slope) : mixed) - load(all.target + c * plane + at, columns);
            loss += error * error;
        }
        total += load(all.loss_map + at, columns) - load(all.weight + at, columns) * loss;
    });
    return sum(total) * step;
}

// Calls work(candidate's number, primitive) for candidates, in order, until none is left.
template <class Work>
static void for_candidates(Candidates* all, Work work) {
    constexpr int kBatch = 16;
    for (;;) {
        const int64_t begin = __atomic_fetch_add(&all->next, kBatch, __ATOMIC_RELAXED);
        if (begin >= all->count) return;
        for (int64_t k = begin; k < begin + kBatch && k < all->count; ++k) {
            const int64_t i = all->order[k];
            Primitive q;
            prepare(all->params + i * kParams, all->levels + all->level[i], all->mirror[i], all->linear, q);
            work(i, q);
        }
    }
}

// Each thread calls this, as diffbmp_run.
EXPORT void diffbmp_solve(Candidates* all) {
    for_candidates(all, [&](int64_t i, const Primitive& q) {
        float* result = all->result + i * kSolution;
        q.level->texture ? solve<true>(*all, q, result) : solve<false>(*all, q, result);
    });
}

EXPORT void diffbmp_gains(Candidates* all) {
    for_candidates(all, [&](int64_t i, const Primitive& q) {
        all->result[i] = q.level->texture ? gain<true>(*all, q) : gain<false>(*all, q);
    });
}
