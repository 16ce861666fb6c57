// The CPU engine: tiles of 16 x 16 px, a vector per row. Plain C interface; memory and threads come from the caller.
//
// A step is diffbmp_prepare (primitives, and the tiles of each), diffbmp_bin (the primitives of each tile, in order),
// diffbmp_run (all tiles, by any number of threads) and diffbmp_reduce (gradients). Each (tile, primitive) pair has its
// own record, and records are summed in order: the result is bit-identical for any number of threads.
#include "tile.h"

// Lets Python check its mirror of the structs.
EXPORT int64_t diffbmp_size_of(int32_t what) {
    const int64_t sizes[] = {sizeof(Scene), sizeof(Level), sizeof(Primitive),
                             sizeof(Pair),  sizeof(Row),   sizeof(Candidates)};
    return sizes[what];
}

// Fills primitives, pairs and first_pair. Returns the number of pairs; above pair_capacity only this number is valid.
EXPORT int64_t diffbmp_prepare(Scene* scene) {
    int64_t count = 0;
    for (int32_t i = 0; i < scene->count; ++i) {
        Primitive& q = scene->primitives[i];
        const Level* level = scene->levels + scene->level[i];
        prepare(scene->params + (int64_t)i * kParams, level, scene->mirror[i], scene->linear, q);
        scene->first_pair[i] = count;
        TileBox box;
        if (!touched_tiles(q, scene->width, scene->height, box)) continue;
        for (int y = box.y0; y <= box.y1; ++y)
            for (int x = box.x0; x <= box.x1; ++x) {
                int first, last;
                if (!rows_on_tile(q, x, y, scene->height, first, last)) continue;
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

// Works on tiles until none is left. Each thread calls this with its own number.
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
        if (scene->mode == kForward) continue;
        scene->removal ? differentiate_all<true>(*scene, number, tile, cache_end)
                       : differentiate_all<false>(*scene, number, tile, cache_end);
    }
}

// Sums the records of each primitive, in order, and applies the chain rule.
EXPORT void diffbmp_reduce(Scene* scene) {
    for (int32_t i = 0; i < scene->count; ++i) {
        float* grad = scene->grad + (int64_t)i * kParams;
        if (scene->first_pair[i] == scene->first_pair[i + 1]) {
            memset(grad, 0, kParams * sizeof(float));
            if (scene->removal) scene->removal[i] = 0.0f;
            continue;
        }
        Float16 total{};
        for (int64_t p = scene->first_pair[i]; p < scene->first_pair[i + 1]; ++p)
            total += load(scene->records + p * kRecord, kRecord);
        Moments<float> moments;
        memcpy(&moments, &total, sizeof moments);
        chain(scene->primitives[i], scene->params + (int64_t)i * kParams, scene->linear, moments, grad);
        if (scene->removal) scene->removal[i] = moments.removal;
    }
}
