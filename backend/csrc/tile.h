// A tile of 16 x 16 px: its primitives drawn, compared with the target and differentiated, a vector per row.
#pragma once
#include "noise.h"
#include "sampler.h"
#include "scene.h"

struct Tile {
    int left, top, columns, rows, step;  // px; row r is the canvas row top + r * step
    uint32_t open;                       // a bit for each row that is not behind the threshold
    Float16 image[kTile][3], transmittance[kTile], grad[kTile][3], behind[kTile];
    // For removals: the picture, its target, weight and weighted loss, and the color behind the current primitive.
    Float16 shown[kTile][3], target[kTile][3], weight[kTile], loss[kTile], back[kTile][3];
};

// Adds a primitive to a tile, and its rows to the cache, if any. Returns the end of the filled cache.
template <bool kTextured>
static Row* draw(const Scene& scene, const Pair& pair, const Primitive& q, Tile& tile, Row* cache) {
    const Sampler sampler(q, tile.left, tile.top, tile.step);
    const Shader<kTextured> shader(q, scene.linear ? scene.decode : nullptr);
    const uint32_t* table = q.level->alpha;
    const Float16 opacity = splat(q.opacity);
    for (uint32_t rows = pair.rows; rows; rows &= rows - 1) {
        const int r = __builtin_ctz(rows);
        Float16 fu, fv, mask, slope_u, slope_v, color[3];
        const Int16 index = sampler.footprint(sampler.row_u(r), sampler.row_v(r), fu, fv);
        sample(table, index, fu, fv, mask, slope_u, slope_v);
        if (cache) *cache++ = {mask, slope_u, slope_v, tile.transmittance[r]};
        for (int c = 0; c < 3; ++c) {
            color[c] = shader.p[c];
            if constexpr (kTextured) {
                Float16 value;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                color[c] += shader.q[c] * value;
            }
        }
        over(mask * opacity, color, tile.transmittance[r], tile.image[r]);
        if (scene.threshold > 0.0f && all_below(tile.transmittance[r], scene.threshold)) tile.open &= ~(1u << r);
    }
    return cache;
}

// Leaves each pair the rows that it was drawn on. Returns the end of the filled cache.
static Row* draw_all(const Scene& scene, int64_t tile_number, Tile& tile, Row* cache) {
    const Float16 inside = select(lane_numbers(), tile.columns - 1.0f, splat(1.0f), Float16{});
    for (int r = 0; r < kTile; ++r) {
        tile.transmittance[r] = inside;
        for (int c = 0; c < 3; ++c) tile.image[r][c] = Float16{};
    }
    tile.open = (1u << tile.rows) - 1u;
    for (int64_t e = scene.first_entry[tile_number]; e < scene.first_entry[tile_number + 1]; ++e) {
        Pair& pair = scene.pairs[scene.entries[e]];
        pair.rows &= tile.open;
        if (!pair.rows) continue;
        const Primitive& q = scene.primitives[pair.primitive];
        cache = q.level->texture ? draw<true>(scene, pair, q, tile, cache) : draw<false>(scene, pair, q, tile, cache);
    }
    return cache;
}

// A row of the background, from the pixel `at` on: of a plane, or noise.
struct Background {
    const Scene& scene;
    int64_t at;
    int columns;
    Uint16 bits;

    Background(const Scene& of, int64_t first, int count) : scene(of), at(first), columns(count) {
        if (scene.noise_contrast != 0.0f) bits = noise_bits_from((uint32_t)at, scene.noise_key);
    }

    Float16 channel(int c) const {
        if (scene.noise_contrast != 0.0f) return noise_of(bits, c, scene.noise_contrast, scene.decode);
        return load(scene.background + (int64_t)c * scene.width * scene.height + at, columns);
    }
};

// Composites a row over the background, compares it with the target and makes its cotangent.
static void compare(const Scene& scene, Tile& tile, int r, int64_t at) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    const Float16 weight = load(scene.weight + at, tile.columns) * (float)tile.step;
    const Background behind(scene, at, tile.columns);
    Float16 loss{};
    for (int c = 0; c < 3; ++c) {
        const Float16 background = behind.channel(c);
        const Float16 target = load(scene.target + c * plane + at, tile.columns);
        const Float16 shown = tile.image[r][c] + tile.transmittance[r] * background;
        Float16 slope;
        const Float16 error = error_of(scene.linear, shown, target, slope);
        loss += loss_of(scene.loss, error);
        tile.grad[r][c] = weight * slope * loss_slope(scene.loss, error);
        tile.behind[r] += tile.grad[r][c] * background;
        if (scene.removal) {
            tile.shown[r][c] = shown;
            tile.target[r][c] = target;
            tile.back[r][c] = background;
        }
        if (scene.image) store(scene.image + c * plane + at, shown, tile.columns);
    }
    tile.weight[r] = weight;
    tile.loss[r] = weight * loss;
    if (scene.loss_map) store(scene.loss_map + at, tile.loss[r], tile.columns);
}

// Composites over the background; writes the image or makes the cotangent, as the mode asks. Returns the tile's loss.
static double finish(const Scene& scene, Tile& tile) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    Float16 loss{};
    double total = 0.0;
    for (int r = 0; r < tile.rows; ++r) {
        const int64_t at = (int64_t)(tile.top + r * tile.step) * scene.width + tile.left;
        tile.behind[r] = Float16{};
        if (scene.mode == kStep) {
            compare(scene, tile, r, at);
            loss += tile.loss[r];
        } else {
            const Background behind(scene, at, tile.columns);
            for (int c = 0; c < 3; ++c) {
                const Float16 background = behind.channel(c);
                if (scene.mode == kForward) {
                    store(scene.image + c * plane + at, tile.image[r][c] + tile.transmittance[r] * background,
                          tile.columns);
                } else {
                    tile.grad[r][c] = load(scene.grad_image + c * plane + at, tile.columns);
                    tile.behind[r] += tile.grad[r][c] * background;
                }
            }
        }
        if (scene.mode == kForward) store(scene.alpha + at, 1.0f - tile.transmittance[r], tile.columns);
        // Alpha is one minus the last transmittance: a channel whose color is 0 and whose background is -1.
        if (scene.mode == kBackward && scene.grad_alpha) tile.behind[r] -= load(scene.grad_alpha + at, tile.columns);
        if (r % 4 == 3 || r == tile.rows - 1) {
            total += sum(loss);
            loss = Float16{};
        }
    }
    return total;
}

// Sums the gradients of a primitive's samples on a tile; `behind` moves in front of it.
template <bool kTextured, bool kRemoval>
static Float16 differentiate(const Scene& scene, const Pair& pair, const Primitive& q, Tile& tile, const Row* cache) {
    const Sampler sampler(q, tile.left, tile.top, tile.step);
    const Shader<kTextured> shader(q, scene.linear ? scene.decode : nullptr);
    const Float16 opacity = splat(q.opacity), dx = lane_numbers() + (tile.left + 0.5f - q.x);
    const float dy = tile.top + 0.5f - q.y;
    Moments<Float16> moments{};
    for (uint32_t rows = pair.rows; rows; rows &= rows - 1, ++cache) {
        const int r = __builtin_ctz(rows);
        Float16 fu, fv, value[3], slope_u[3], slope_v[3], color[3], grad_opacity, grad_mask, color_grad[3];
        Int16 index;
        if constexpr (kTextured) index = sampler.footprint(sampler.row_u(r), sampler.row_v(r), fu, fv);
        for (int c = 0; c < 3; ++c) {
            color[c] = shader.p[c];
            if constexpr (kTextured) {
                shader.at(index, fu, fv, c, value[c], slope_u[c], slope_v[c]);
                color[c] += shader.q[c] * value[c];
            }
        }
        over_backward(cache->mask, opacity, color, cache->transmittance, tile.grad[r], tile.behind[r], grad_opacity,
                      grad_mask, color_grad);
        if constexpr (kRemoval)
            moments.removal +=
                removal<Float16>(scene.linear, scene.loss, cache->mask * opacity, cache->transmittance, color,
                                 tile.shown[r], tile.target[r], tile.weight[r], tile.loss[r], tile.back[r]);
        moments.opacity += grad_opacity;
        Float16 grad_u = grad_mask * cache->slope_u, grad_v = grad_mask * cache->slope_v;
        for (int c = 0; c < 3; ++c) {
            moments.p[c] += color_grad[c];
            if constexpr (kTextured) {
                moments.q[c] += color_grad[c] * value[c];
                grad_u += color_grad[c] * shader.q[c] * slope_u[c];
                grad_v += color_grad[c] * shader.q[c] * slope_v[c];
            }
        }
        moments.u += grad_u;
        moments.v += grad_v;
        moments.uy += grad_u * (float)(r * tile.step);
        moments.vy += grad_v * (float)(r * tile.step);
    }
    moments.ux = moments.u * dx;
    moments.vx = moments.v * dx;
    moments.uy += moments.u * dy;
    moments.vy += moments.v * dy;
    return sums(&moments.u);
}

template <bool kRemoval>
static void differentiate_all(const Scene& scene, int64_t tile_number, Tile& tile, const Row* cache_end) {
    for (int64_t e = scene.first_entry[tile_number + 1] - 1; e >= scene.first_entry[tile_number]; --e) {
        const int64_t number = scene.entries[e];
        const Pair& pair = scene.pairs[number];
        if (!pair.rows) continue;
        const Primitive& q = scene.primitives[pair.primitive];
        cache_end -= __builtin_popcount(pair.rows);
        const Float16 total = q.level->texture ? differentiate<true, kRemoval>(scene, pair, q, tile, cache_end)
                                               : differentiate<false, kRemoval>(scene, pair, q, tile, cache_end);
        memcpy(scene.records + number * kRecord, &total, sizeof total);
    }
}
