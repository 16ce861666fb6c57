// A tile of 16 x 16 px: its primitives drawn, compared with the target and differentiated, a vector per row of 8 px.
#pragma once
#include "noise.h"
#include "sampler.h"
#include "scene.h"

constexpr int kRows = 2 * kTile;  // of a tile: see Pair

struct Tile {
    int left, top, columns, rows, step;  // px; its rows of pixels are the canvas rows top + n * step
    // A bit for each row. A row is open until its pixels' transmittance falls below the threshold; then what lies
    // behind is composited for itself, without gradients, until it is closed by the same threshold.
    uint32_t open, behind_front;
    uint32_t fronts;                         // the rows that have been open and are not
    Floats front[kRows][3], through[kRows];  // their color and transmittance when they were
    Floats inside[2];                        // 1 on the canvas, 0 beside it, for each half
    Floats image[kRows][3], transmittance[kRows], grad[kRows][3], behind[kRows];
    // For removals: the picture, its target, weight and weighted loss, and the color behind the current primitive.
    Floats shown[kRows][3], target[kRows][3], weight[kRows], loss[kRows], back[kRows][3];

    // The rows that have pixels.
    uint32_t all() const {
        const uint32_t half = (1u << rows) - 1u;
        return columns > kLanes ? half << kTile | half : half;
    }
};

// Ends a row that hides what lies behind.
static void end_row(Tile& tile, int r) {
    const uint32_t bit = 1u << r;
    if (tile.open & bit) {
        for (int c = 0; c < 3; ++c) {
            tile.front[r][c] = tile.image[r][c];
            tile.image[r][c] = Floats{};
        }
        tile.through[r] = tile.transmittance[r];
        tile.transmittance[r] = tile.inside[r / kTile];
        tile.fronts |= bit;
        tile.behind_front |= bit;
        tile.open ^= bit;
    } else {
        tile.behind_front ^= bit;
    }
}

// Adds a primitive to rows of a tile, and those of the pair to the cache, if any. Returns the end of the filled cache.
template <bool kTextured>
static Row* draw(const Scene& scene, const Pair& pair, uint32_t rows, const Primitive& q, Tile& tile, Row* cache) {
    const Sampler sampler(q, tile.left, tile.top, tile.step);
    const Shader<kTextured> shader(q, scene.linear ? scene.decode : nullptr);
    const uint32_t *table = q.level->alpha, kept = cache ? pair.rows : 0u;
    const Floats opacity = splat(q.opacity);
    const float threshold = scene.threshold > 0.0f ? scene.threshold : -INFINITY;
    for (; rows; rows &= rows - 1) {
        const int r = __builtin_ctz(rows);
        Floats fu, fv, mask, slope_u, slope_v, color[3];
        const Ints index =
            sampler.footprint(sampler.row_u(r % kTile, r / kTile), sampler.row_v(r % kTile, r / kTile), fu, fv);
        sample(table, index, fu, fv, mask, slope_u, slope_v);
        if (kept >> r & 1u) *cache++ = {mask, slope_u, slope_v, tile.transmittance[r]};
        for (int c = 0; c < 3; ++c) {
            color[c] = shader.p[c];
            if constexpr (kTextured) {
                Floats value;
                shader.at(index, fu, fv, c, value, slope_u, slope_v);
                color[c] += shader.q[c] * value;
            }
        }
        over(mask * opacity, color, tile.transmittance[r], tile.image[r]);
        if (all_below(tile.transmittance[r], threshold)) end_row(tile, r);
    }
    return cache;
}

// Leaves each pair the open rows that it was drawn on. Returns the end of the filled cache.
static Row* draw_all(const Scene& scene, int64_t tile_number, Tile& tile, Row* cache) {
    for (int half = 0; half < 2; ++half)
        tile.inside[half] = select(lane_numbers(), tile.columns - half * kLanes - 1.0f, splat(1.0f), Floats{});
    for (int r = 0; r < kRows; ++r) {
        tile.transmittance[r] = tile.inside[r / kTile];
        for (int c = 0; c < 3; ++c) tile.image[r][c] = Floats{};
    }
    tile.open = tile.all();
    tile.behind_front = tile.fronts = 0;
    for (int64_t e = scene.first_entry[tile_number]; e < scene.first_entry[tile_number + 1]; ++e) {
        Pair& pair = scene.pairs[scene.entries[e]];
        if (e + 1 < scene.first_entry[tile_number + 1])
            prefetch(scene.primitives[scene.pairs[scene.entries[e + 1]].primitive], tile.left, tile.top, tile.step);
        const uint32_t rows = pair.rows & (tile.open | tile.behind_front);
        pair.rows &= tile.open;
        if (!rows) continue;
        const Primitive& q = scene.primitives[pair.primitive];
        cache = q.level->texture ? draw<true>(scene, pair, rows, q, tile, cache)
                                 : draw<false>(scene, pair, rows, q, tile, cache);
    }
    return cache;
}

// A channel of a row's picture. back: the background; on return the color behind the last differentiated primitive.
static Floats composited(const Tile& tile, int r, int c, Floats& back) {
    const Floats color = tile.image[r][c] + tile.transmittance[r] * back;
    if (!(tile.fronts >> r & 1u)) return color;
    back = color;
    return tile.front[r][c] + tile.through[r] * color;
}

// A row of the background, from the pixel `at` on: of a plane, or noise.
struct Background {
    const Scene& scene;
    int64_t at;
    int columns;
    Uints bits;

    Background(const Scene& of, int64_t first, int count) : scene(of), at(first), columns(count) {
        if (scene.noise_contrast != 0.0f) bits = noise_bits_from((uint32_t)at, scene.noise_key);
    }

    Floats channel(int c) const {
        if (scene.noise_contrast != 0.0f) return noise_of(bits, c, scene.noise_contrast, scene.decode);
        return load(scene.background + (int64_t)c * scene.width * scene.height + at, columns);
    }
};

// Asks for the pixels of a tile, so that they are there once it is drawn: no processor foresees its rows.
static void prefetch(const Scene& scene, const Tile& tile) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    const float* color[] = {scene.mode == kBackward ? scene.grad_image : scene.target, scene.background};
    for (int y = 0; y < tile.rows; ++y) {
        // The last pixel: where rows are not aligned, the tile before has asked for the first one.
        const int64_t at = (int64_t)(tile.top + y * tile.step) * scene.width + tile.left + tile.columns - 1;
        if (scene.weight) __builtin_prefetch(scene.weight + at);
        for (const float* planes : color)
            for (int c = 0; planes && c < 3; ++c) __builtin_prefetch(planes + c * plane + at);
    }
}

// Composites a row over the background, compares it with the target and makes its cotangent.
static void compare(const Scene& scene, Tile& tile, int r, int64_t at, int columns) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    const Floats weight = load(scene.weight + at, columns) * (float)tile.step;
    const Background background(scene, at, columns);
    Floats loss{};
    for (int c = 0; c < 3; ++c) {
        Floats back = background.channel(c);
        const Floats target = load(scene.target + c * plane + at, columns);
        const Floats shown = composited(tile, r, c, back);
        Floats slope;
        const Floats error = error_of(scene.linear, shown, target, slope);
        loss += loss_of(scene.loss, error);
        tile.grad[r][c] = weight * slope * loss_slope(scene.loss, error);
        tile.behind[r] += tile.grad[r][c] * back;
        if (scene.removal) {
            tile.shown[r][c] = shown;
            tile.target[r][c] = target;
            tile.back[r][c] = back;
        }
        if (scene.image) store(scene.image + c * plane + at, shown, columns);
    }
    tile.weight[r] = weight;
    tile.loss[r] = weight * loss;
    if (scene.loss_map) store(scene.loss_map + at, tile.loss[r], columns);
}

// Composites over the background; writes the image or makes the cotangent, as the mode asks. Returns the tile's loss.
static double finish(const Scene& scene, Tile& tile) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    Floats loss{};
    double total = 0.0;
    for (uint32_t rows = tile.all(); rows; rows &= rows - 1) {
        const int r = __builtin_ctz(rows), x = r / kTile * kLanes;
        const int columns = tile.columns - x < kLanes ? tile.columns - x : kLanes;
        const int64_t at = (int64_t)(tile.top + r % kTile * tile.step) * scene.width + tile.left + x;
        tile.behind[r] = Floats{};
        if (scene.mode == kStep) {
            compare(scene, tile, r, at, columns);
            loss += tile.loss[r];
        } else {
            const Background background(scene, at, columns);
            for (int c = 0; c < 3; ++c) {
                Floats back = background.channel(c);
                const Floats shown = composited(tile, r, c, back);
                if (scene.mode == kForward) {
                    store(scene.image + c * plane + at, shown, columns);
                } else {
                    tile.grad[r][c] = load(scene.grad_image + c * plane + at, columns);
                    tile.behind[r] += tile.grad[r][c] * back;
                }
            }
        }
        if (scene.mode == kForward) {
            Floats clear = tile.transmittance[r];
            if (tile.fronts >> r & 1u) clear *= tile.through[r];
            store(scene.alpha + at, 1.0f - clear, columns);
        }
        // Alpha is one minus the last transmittance: a channel whose color is 0 and whose background is -1.
        if (scene.mode == kBackward && scene.grad_alpha) {
            Floats clear = load(scene.grad_alpha + at, columns);
            if (tile.fronts >> r & 1u) clear *= tile.transmittance[r];
            tile.behind[r] -= clear;
        }
        if (r % 8 == 7) {
            total += sum(loss);
            loss = Floats{};
        }
    }
    return total + sum(loss);
}

// Sums the gradients of a primitive's samples on a tile into a record; `behind` moves in front of it.
template <bool kTextured, bool kRemoval>
static void differentiate(const Scene& scene, const Pair& pair, const Primitive& q, Tile& tile, const Row* cache,
                          float* record) {
    const Sampler sampler(q, tile.left, tile.top, tile.step);
    const Shader<kTextured> shader(q, scene.linear ? scene.decode : nullptr);
    const Floats opacity = splat(q.opacity);
    const float dy = tile.top + 0.5f - q.y;
    Moments<Floats> moments{};
    for (int half = 0; half < 2; ++half) {
        uint32_t rows = pair.rows >> (half * kTile) & 0xffffu;
        if (!rows) continue;
        Floats u{}, v{}, uy{}, vy{};
        for (; rows; rows &= rows - 1, ++cache) {
            const int y = __builtin_ctz(rows), r = half * kTile + y;
            Floats fu, fv, value[3], slope_u[3], slope_v[3], color[3], grad_opacity, grad_mask, color_grad[3];
            Ints index;
            if constexpr (kTextured) index = sampler.footprint(sampler.row_u(y, half), sampler.row_v(y, half), fu, fv);
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
                    removal<Floats>(scene.linear, scene.loss, cache->mask * opacity, cache->transmittance, color,
                                    tile.shown[r], tile.target[r], tile.weight[r], tile.loss[r], tile.back[r]);
            moments.opacity += grad_opacity;
            Floats grad_u = grad_mask * cache->slope_u, grad_v = grad_mask * cache->slope_v;
            for (int c = 0; c < 3; ++c) {
                moments.p[c] += color_grad[c];
                if constexpr (kTextured) {
                    moments.q[c] += color_grad[c] * value[c];
                    grad_u += color_grad[c] * shader.q[c] * slope_u[c];
                    grad_v += color_grad[c] * shader.q[c] * slope_v[c];
                }
            }
            u += grad_u;
            v += grad_v;
            uy += grad_u * (float)(y * tile.step);
            vy += grad_v * (float)(y * tile.step);
        }
        const Floats dx = lane_numbers() + (tile.left + half * kLanes + 0.5f - q.x);
        moments.u += u;
        moments.v += v;
        moments.ux += u * dx;
        moments.vx += v * dx;
        moments.uy += uy + u * dy;
        moments.vy += vy + v * dy;
    }
    store(record, sums(&moments.u), kLanes);
    store(record + kLanes, sums(&moments.p[1]), kLanes);
}

template <bool kRemoval>
static void differentiate_all(const Scene& scene, int64_t tile_number, Tile& tile, const Row* cache_end) {
    for (int64_t e = scene.first_entry[tile_number + 1] - 1; e >= scene.first_entry[tile_number]; --e) {
        const int64_t number = scene.entries[e];
        const Pair& pair = scene.pairs[number];
        if (!pair.rows) continue;
        const Primitive& q = scene.primitives[pair.primitive];
        cache_end -= __builtin_popcount(pair.rows);
        float* record = scene.records + number * kRecord;
        q.level->texture ? differentiate<true, kRemoval>(scene, pair, q, tile, cache_end, record)
                         : differentiate<false, kRemoval>(scene, pair, q, tile, cache_end, record);
    }
}
