// The CPU engine: tiles of 16 x 16 px, a vector per row. Plain C interface; memory and threads come from the caller.
//
// A step is diffbmp_prepare (primitives, and their list of touched tiles), diffbmp_bin (the lists turned round:
// primitives of each tile, in order), diffbmp_run (all tiles, by any number of threads at once) and diffbmp_reduce
// (gradients). Every (tile, primitive) pair has a record of its own, and records are summed in order: the result is the
// same to the bit for any number of threads.
#include "sampler.h"
#include "scene.h"

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

// Lets Python check that its mirror of the structs is right.
EXPORT int64_t diffbmp_size_of(int32_t what) {
    const int64_t sizes[] = {sizeof(Scene), sizeof(Level), sizeof(Primitive), sizeof(Pair), sizeof(Row)};
    return sizes[what];
}

// Fills primitives, pairs and first_pair. Returns the number of pairs; if it exceeds pair_capacity, only the count is
// right.
EXPORT int64_t diffbmp_prepare(Scene* scene) {
    int64_t count = 0;
    for (int32_t i = 0; i < scene->count; ++i) {
        Primitive& q = scene->primitives[i];
        const Level* level = scene->levels + scene->level[i];
        prepare(scene->params + (int64_t)i * kParams, level, scene->mirror[i], scene->decoded, q);
        scene->first_pair[i] = count;
        // Not-a-number fails every comparison: such a position is not drawn.
        const float right = q.box_x + q.reach_x, bottom = q.box_y + q.reach_y;
        const float left = q.box_x - q.reach_x, top = q.box_y - q.reach_y;
        if (q.reach_x < 0.0f || !(right >= 0.0f && bottom >= 0.0f && left <= scene->width && top <= scene->height))
            continue;
        const int x0 = (int)(most(left, 0.0f) / kTile), y0 = (int)(most(top, 0.0f) / kTile);
        const int x1 = (int)(least(right, scene->width - 1.0f) / kTile),
                  y1 = (int)(least(bottom, scene->height - 1.0f) / kTile);
        for (int y = y0; y <= y1; ++y)
            for (int x = x0; x <= x1; ++x) {
                int first, last;
                if (!row_span(q, x * kTile, y * kTile, first, last)) continue;
                if (y * kTile + last >= scene->height) last = scene->height - 1 - y * kTile;
                if (last < first) continue;
                if (count < scene->pair_capacity)
                    scene->pairs[count] = {i, y * scene->tiles_x + x, (int16_t)first, (int16_t)last};
                ++count;
            }
    }
    scene->first_pair[scene->count] = count;
    return count;
}

// Fills first_entry and entries (a counting sort by tile). Returns the number of sample rows on the fullest tile.
EXPORT int64_t diffbmp_bin(Scene* scene) {
    const int64_t tiles = (int64_t)scene->tiles_x * scene->tiles_y, pairs = scene->first_pair[scene->count];
    int64_t* start = scene->first_entry;
    memset(start, 0, (tiles + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < pairs; ++i) ++start[scene->pairs[i].tile + 1];
    for (int64_t t = 0; t < tiles; ++t) start[t + 1] += start[t];
    for (int64_t i = 0; i < pairs; ++i) scene->entries[start[scene->pairs[i].tile]++] = i;
    for (int64_t t = tiles; t > 0; --t) start[t] = start[t - 1];
    start[0] = 0;
    int64_t fullest = 0, total = 0;
    for (int64_t t = 0; t < tiles; ++t) {
        int64_t rows = 0;
        for (int64_t e = start[t]; e < start[t + 1]; ++e) {
            const Pair& pair = scene->pairs[scene->entries[e]];
            rows += pair.last - pair.first + 1;
        }
        total += rows;
        if (rows > fullest) fullest = rows;
    }
    scene->samples = total * kLanes;
    scene->next_tile = 0;
    return fullest;
}

struct Tile {
    int left, top, columns, rows;  // px
    Float16 image[kTile][3], transmittance[kTile], grad[kTile][3], behind[kTile];
};

// Adds a primitive to a tile; its rows are remembered where there is a cache. Returns the end of what it filled.
template <bool kTextured>
static Row* draw(const Scene& scene, const Pair& pair, const Primitive& q, Tile& tile, Row* cache) {
    const Sampler sampler(q, tile.left, tile.top);
    const Shader<kTextured> shader(q, scene.decoded ? scene.decode : nullptr);
    const uint32_t* table = q.level->alpha;
    const Float16 opacity = splat(q.opacity);
    for (int r = pair.first; r <= pair.last; ++r) {
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
    }
    return cache;
}

static Row* draw_all(const Scene& scene, int64_t tile_number, Tile& tile, Row* cache) {
    for (int r = 0; r < kTile; ++r) {
        tile.transmittance[r] = splat(1.0f);
        for (int c = 0; c < 3; ++c) tile.image[r][c] = Float16{};
    }
    for (int64_t e = scene.first_entry[tile_number]; e < scene.first_entry[tile_number + 1]; ++e) {
        const Pair& pair = scene.pairs[scene.entries[e]];
        const Primitive& q = scene.primitives[pair.primitive];
        cache = q.level->texture ? draw<true>(scene, pair, q, tile, cache) : draw<false>(scene, pair, q, tile, cache);
    }
    return cache;
}

// Composites over the background; writes the image or makes the cotangent, as the mode asks. Returns the tile's loss.
static double finish(const Scene& scene, Tile& tile) {
    const int64_t plane = (int64_t)scene.width * scene.height;
    Float16 loss{};
    double total = 0.0;
    for (int r = 0; r < tile.rows; ++r) {
        const int64_t at = (int64_t)(tile.top + r) * scene.width + tile.left;
        const Float16 weight = scene.mode == kStep ? load(scene.weight + at, tile.columns) : Float16{};
        tile.behind[r] = Float16{};
        for (int c = 0; c < 3; ++c) {
            const Float16 background = load(scene.background + c * plane + at, tile.columns);
            const Float16 shown = tile.image[r][c] + tile.transmittance[r] * background;
            if (scene.mode == kForward) {
                store(scene.image + c * plane + at, shown, tile.columns);
                continue;
            }
            if (scene.mode == kBackward) {
                tile.grad[r][c] = load(scene.grad_image + c * plane + at, tile.columns);
            } else {
                const Float16 error = shown - load(scene.target + c * plane + at, tile.columns);
                const Float16 sign = error > 0.0f ? splat(1.0f) : (error < 0.0f ? splat(-1.0f) : Float16{});
                loss += weight * (scene.loss == kMse ? error * error : error * sign);
                tile.grad[r][c] = weight * (scene.loss == kMse ? 2.0f * error : sign);
            }
            tile.behind[r] += tile.grad[r][c] * background;
        }
        if (scene.mode == kForward) store(scene.alpha + at, 1.0f - tile.transmittance[r], tile.columns);
        // Alpha is one minus the last transmittance: a channel whose colour is 0 and whose background is -1.
        if (scene.mode == kBackward && scene.grad_alpha) tile.behind[r] -= load(scene.grad_alpha + at, tile.columns);
        if (r % 4 == 3 || r == tile.rows - 1) {
            total += sum(loss);
            loss = Float16{};
        }
    }
    return total;
}

// What a primitive's samples on a tile say about its parameters, summed; `behind` moves in front of it.
template <bool kTextured>
static Float16 differentiate(const Scene& scene, const Pair& pair, const Primitive& q, Tile& tile, const Row* cache) {
    const Sampler sampler(q, tile.left, tile.top);
    const Shader<kTextured> shader(q, scene.decoded ? scene.decode : nullptr);
    const Float16 opacity = splat(q.opacity), dx = lane_numbers() + (tile.left + 0.5f - q.x);
    const float dy = tile.top + 0.5f - q.y;
    Moments<Float16> moments{};
    for (int r = pair.first; r <= pair.last; ++r, ++cache) {
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
        moments.uy += grad_u * (float)r;
        moments.vy += grad_v * (float)r;
    }
    moments.ux = moments.u * dx;
    moments.vx = moments.v * dx;
    moments.uy += moments.u * dy;
    moments.vy += moments.v * dy;
    return sums(&moments.u);
}

static void differentiate_all(const Scene& scene, int64_t tile_number, Tile& tile, const Row* cache_end) {
    for (int64_t e = scene.first_entry[tile_number + 1] - 1; e >= scene.first_entry[tile_number]; --e) {
        const int64_t number = scene.entries[e];
        const Pair& pair = scene.pairs[number];
        const Primitive& q = scene.primitives[pair.primitive];
        cache_end -= pair.last - pair.first + 1;
        const Float16 total = q.level->texture ? differentiate<true>(scene, pair, q, tile, cache_end)
                                               : differentiate<false>(scene, pair, q, tile, cache_end);
        memcpy(scene.records + number * kRecord, &total, sizeof total);
    }
}

// Works on tiles until none is left; to be called by each thread with a number of its own.
EXPORT void diffbmp_run(Scene* scene, int32_t thread) {
    const int64_t tiles = (int64_t)scene->tiles_x * scene->tiles_y;
    Row* cache = scene->mode == kForward ? nullptr : scene->rows + thread * scene->row_capacity;
    Tile tile;
    for (;;) {
        const int64_t number = __atomic_fetch_add(&scene->next_tile, 1, __ATOMIC_RELAXED);
        if (number >= tiles) return;
        tile.left = (int)(number % scene->tiles_x) * kTile;
        tile.top = (int)(number / scene->tiles_x) * kTile;
        tile.columns = scene->width - tile.left < kTile ? scene->width - tile.left : kTile;
        tile.rows = scene->height - tile.top < kTile ? scene->height - tile.top : kTile;
        const Row* cache_end = draw_all(*scene, number, tile, cache);
        const double loss = finish(*scene, tile);
        if (scene->mode == kStep) scene->tile_loss[number] = loss;
        if (scene->mode != kForward) differentiate_all(*scene, number, tile, cache_end);
    }
}

// Sums the records of each primitive, in order, and applies the chain rule.
EXPORT void diffbmp_reduce(Scene* scene) {
    for (int32_t i = 0; i < scene->count; ++i) {
        float* grad = scene->grad + (int64_t)i * kParams;
        if (scene->first_pair[i] == scene->first_pair[i + 1]) {
            memset(grad, 0, kParams * sizeof(float));
            continue;
        }
        Float16 total{};
        for (int64_t p = scene->first_pair[i]; p < scene->first_pair[i + 1]; ++p)
            total += load(scene->records + p * kRecord, kRecord);
        Moments<float> moments;
        memcpy(&moments, &total, sizeof moments);
        chain(scene->primitives[i], scene->params + (int64_t)i * kParams, scene->decoded, moments, grad);
    }
}
