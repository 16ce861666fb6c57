// Candidates for primitives: the gain of each if it alone lay on top of an image.
#include "sampler.h"
#include "scene.h"

// Calls visit(alpha, index, fu, fv, at, columns) for each row of samples of a primitive on each tile that it touches;
// `at` is the offset of the row's first pixel in a plane.
template <class Visit>
static void for_rows(const Candidates& all, const Primitive& q, Visit visit) {
    TileBox box;
    if (!touched_tiles(q, all.width, all.height, box)) return;
    // What begins in the last pixel of a row or column gains nothing.
    if (q.box_x - q.reach_x > all.width - 1.0f || q.box_y - q.reach_y > all.height - 1.0f) return;
    for (int tile_y = box.y0; tile_y <= box.y1; ++tile_y)
        for (int tile_x = box.x0; tile_x <= box.x1; ++tile_x) {
            int first, last;
            if (!rows_on_tile(q, tile_x, tile_y, all.height, first, last)) continue;
            const int x = tile_x * kTile, y = tile_y * kTile;
            const Sampler sampler(q, x, y);
            const int columns = all.width - x < kTile ? all.width - x : kTile;
            for (int r = first; r <= last; ++r) {
                Float16 fu, fv, mask, slope_u, slope_v;
                const Int16 index = sampler.footprint(sampler.row_u(r), sampler.row_v(r), fu, fv);
                sample(q.level->alpha, index, fu, fv, mask, slope_u, slope_v);
                visit(mask * q.opacity, index, fu, fv, (int64_t)(y + r) * all.width + x, columns);
            }
        }
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
    Float16 numerator[3] = {}, denominator[3] = {}, constant{};
    for_rows(all, q, [&](Float16 alpha, Int16 index, Float16 fu, Float16 fv, int64_t at, int columns) {
        for (int c = 0; c < 3; ++c) {
            const Float16 image = load(all.image + c * plane + at, columns);
            const Float16 weight = load(all.weight + c * plane + at, columns);
            const Float16 error = load(all.target + c * plane + at, columns) - image;
            Float16 scale = alpha * (1.0f - blend), rest = error + alpha * image;
            if constexpr (kTextured) {
                Float16 value, slope_u, slope_v;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                scale += alpha * value * in_s;
                rest -= alpha * value * in_r;
            }
            numerator[c] += weight * scale * rest;
            denominator[c] += weight * scale * scale;
            constant += weight * (error * error - rest * rest);
        }
    });
    for (int c = 0; c < 3; ++c) {
        result[c] = sum(numerator[c]);
        result[3 + c] = sum(denominator[c]);
    }
    result[6] = sum(constant);
    result[7] = 0.0f;
}

// The fall of the squared error of the display-encoded picture under a candidate of a given color.
template <bool kTextured>
static float gain(const Candidates& all, const Primitive& q) {
    const int64_t plane = (int64_t)all.width * all.height;
    const Shader<kTextured> shader(q, all.linear ? all.decode : nullptr);
    Float16 total{};
    for_rows(all, q, [&](Float16 alpha, Int16 index, Float16 fu, Float16 fv, int64_t at, int columns) {
        Float16 loss{};
        for (int c = 0; c < 3; ++c) {
            Float16 color = shader.p[c], slope;
            if constexpr (kTextured) {
                Float16 value, slope_u, slope_v;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                color += shader.q[c] * value;
            }
            const Float16 image = load(all.image + c * plane + at, columns), mixed = image + alpha * (color - image);
            const Float16 error =
                (all.linear ? encoded(mixed, slope) : mixed) - load(all.target + c * plane + at, columns);
            loss += error * error;
        }
        total += load(all.loss_map + at, columns) - load(all.weight + at, columns) * loss;
    });
    return sum(total);
}

// Calls work(candidate's number, primitive) for candidates until none is left.
template <class Work>
static void for_candidates(Candidates* all, Work work) {
    constexpr int kBatch = 16;
    for (;;) {
        const int64_t begin = __atomic_fetch_add(&all->next, kBatch, __ATOMIC_RELAXED);
        if (begin >= all->count) return;
        for (int64_t i = begin; i < begin + kBatch && i < all->count; ++i) {
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
