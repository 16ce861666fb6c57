// The CPU engine: tiles of 16 x 16 px in rows of 8 px, a vector each. Plain C interface; memory and threads come from
// the caller.
//
// A step is diffbmp_place, diffbmp_count and diffbmp_fill (primitives, and the tiles of each), diffbmp_bin (the
// primitives of each tile, in order), diffbmp_run (all tiles) and diffbmp_reduce (gradients).
// Place, fill, run and reduce take any number of threads. Each (tile, primitive) pair has its own record, and records
// are summed in order: the result is bit-identical for any number of threads.
//
// It is so too on AVX2, AVX-512 and ARM processors: vectors of 8 on each, sums in one order, products fused with sums
// where one expression has both, divisions and roots that are rounded correctly. SSE4 fuses nothing, and CUDA's
// compiler decides by itself: these agree but for rounding.
#include "tile.h"

// Lets Python check its mirror of the structs.
EXPORT int64_t diffbmp_size_of(int32_t what) {
    const int64_t sizes[] = {sizeof(Scene), sizeof(Level), sizeof(Primitive),
                             sizeof(Pair),  sizeof(Row),   sizeof(Candidates)};
    return sizes[what];
}

static int step_of(const Scene& scene) {
    return scene.row_step > 1 ? scene.row_step : 1;
}

// Calls work(number) for primitives of the scene until none is left; any number of threads may share the work.
template <class Work>
static void for_primitives(Scene* scene, Work work) {
    constexpr int kBlock = 256;
    for (;;) {
        const int64_t begin = (int64_t)kBlock * __atomic_fetch_add(&scene->next_block, 1, __ATOMIC_RELAXED);
        if (begin >= scene->count) return;
        for (int64_t i = begin; i < begin + kBlock && i < scene->count; ++i) work(i);
    }
}

// Fills primitives and, in first_pair, the number of tiles of each one's box, at the index after its own. Several
// threads may call this; next_block must be 0.
EXPORT void diffbmp_place(Scene* scene) {
    for_primitives(scene, [&](int64_t i) {
        Primitive& q = scene->primitives[i];
        const Level* level = scene->levels + scene->level[i];
        prepare(scene->params + i * kParams, level, scene->mirror[i], scene->linear, q);
        TileBox box;
        const bool seen = touched_tiles(q, scene->width, scene->height, box, step_of(*scene));
        scene->first_pair[i + 1] = seen ? (int64_t)(box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1) : 0;
    });
}

// Turns the numbers of diffbmp_place into sums. Returns the number of pairs, which pair_capacity must not be below.
EXPORT int64_t diffbmp_count(Scene* scene) {
    scene->first_pair[0] = 0;
    for (int32_t i = 0; i < scene->count; ++i) scene->first_pair[i + 1] += scene->first_pair[i];
    scene->next_block = 0;
    return scene->first_pair[scene->count];
}

// The rows of a tile on which a primitive may be visible, as the bits of Pair.
static uint32_t rows_of(const Primitive& q, const Scene& scene, int left, int top, int step) {
    const int count = tile_rows(top, scene.height, step);
    uint32_t bits = 0;
    int first, last;
    for (int half = 0; half < 2; ++half, left += kLanes)
        if (left < scene.width && row_span(q, left, top, count, step, first, last, kLanes))
            bits |= ((2u << last) - (1u << first)) << (half * kTile);
    return bits;
}

// Fills the pairs. Several threads may call this after diffbmp_count.
EXPORT void diffbmp_fill(Scene* scene) {
    const int step = step_of(*scene);
    for_primitives(scene, [&](int64_t i) {
        const Primitive& q = scene->primitives[i];
        TileBox box;
        if (!touched_tiles(q, scene->width, scene->height, box, step)) return;
        Pair* pair = scene->pairs + scene->first_pair[i];
        for (int y = box.y0; y <= box.y1; ++y)
            for (int x = box.x0; x <= box.x1; ++x, ++pair) {
                const uint32_t rows = rows_of(q, *scene, x * kTile, y * kTile * step + scene->row_phase, step);
                *pair = {(int32_t)i, y * scene->tiles_x + x, rows};
            }
    });
}

// Fills the order of the tiles: those with more than twice the mean work first, so that none of them is the last one.
// Otherwise neighbors follow each other, whose rows share pages of memory.
static void order_tiles(Scene* scene, int64_t tiles, int64_t total) {
    const int32_t* work = scene->order + tiles;
    int32_t* next = scene->order;
    for (int long_ones = 1; long_ones >= 0; --long_ones)
        for (int64_t t = 0; t < tiles; ++t)
            if ((work[t] * tiles > 2 * total) == long_ones) *next++ = (int32_t)t;
}

// Fills first_entry, entries (a counting sort by tile) and order. Returns the number of sample rows on the fullest
// tile.
EXPORT int64_t diffbmp_bin(Scene* scene) {
    const int64_t tiles = (int64_t)scene->tiles_x * scene->tiles_y, pairs = scene->first_pair[scene->count];
    int64_t* start = scene->first_entry;
    memset(start, 0, (tiles + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < pairs; ++i) start[scene->pairs[i].tile + 1] += scene->pairs[i].rows != 0;
    for (int64_t t = 0; t < tiles; ++t) start[t + 1] += start[t];
    for (int64_t i = 0; i < pairs; ++i)
        if (scene->pairs[i].rows) scene->entries[start[scene->pairs[i].tile]++] = i;
    for (int64_t t = tiles; t > 0; --t) start[t] = start[t - 1];
    start[0] = 0;
    int64_t fullest = 0, total = 0;
    for (int64_t t = 0; t < tiles; ++t) {
        int64_t rows = 0;
        for (int64_t e = start[t]; e < start[t + 1]; ++e)
            rows += __builtin_popcount(scene->pairs[scene->entries[e]].rows);
        if (scene->order) scene->order[tiles + t] = (int32_t)rows;
        total += rows;
        if (rows > fullest) fullest = rows;
    }
    if (scene->order) order_tiles(scene, tiles, total);
    scene->samples = total * kLanes;
    scene->next_tile = scene->next_block = 0;
    return fullest;
}

// Works on tiles until none is left. Each thread calls this with its own number.
EXPORT void diffbmp_run(Scene* scene, int32_t thread) {
    const int64_t tiles = (int64_t)scene->tiles_x * scene->tiles_y;
    Row* cache = scene->mode == kForward ? nullptr : scene->rows + thread * scene->row_capacity;
    Tile tile;
    tile.step = step_of(*scene);
    for (;;) {
        const int64_t next = __atomic_fetch_add(&scene->next_tile, 1, __ATOMIC_RELAXED);
        if (next >= tiles) return;
        const int64_t number = scene->order ? scene->order[next] : next;
        tile.left = (int)(number % scene->tiles_x) * kTile;
        tile.top = (int)(number / scene->tiles_x) * kTile * tile.step + scene->row_phase;
        tile.columns = scene->width - tile.left < kTile ? scene->width - tile.left : kTile;
        tile.rows = tile_rows(tile.top, scene->height, tile.step);
        prefetch(*scene, tile);
        const Row* cache_end = draw_all(*scene, number, tile, cache);
        const double loss = finish(*scene, tile);
        if (scene->mode == kStep) scene->tile_loss[number] = loss;
        if (scene->mode == kForward) continue;
        scene->removal ? differentiate_all<true>(*scene, number, tile, cache_end)
                       : differentiate_all<false>(*scene, number, tile, cache_end);
    }
}

// Sums the records of each primitive, in order, and applies the chain rule. Several threads may call this.
EXPORT void diffbmp_reduce(Scene* scene) {
    for_primitives(scene, [&](int64_t i) {
        float* grad = scene->grad + i * kParams;
        Floats total[2] = {};
        bool seen = false;
        for (int64_t p = scene->first_pair[i]; p < scene->first_pair[i + 1]; ++p) {
            if (!scene->pairs[p].rows) continue;
            seen = true;
            for (int k = 0; k < 2; ++k) total[k] += load(scene->records + p * kRecord + k * kLanes, kLanes);
        }
        Moments<float> moments;
        memcpy(&moments, total, sizeof moments);
        // Axes of zero length would make NaN of a zero.
        if (seen)
            chain(scene->primitives[i], scene->params + i * kParams, scene->linear, moments, grad);
        else
            memset(grad, 0, kParams * sizeof(float));
        if (scene->removal) scene->removal[i] = moments.removal;
    });
}
