// Lists the primitives of each tile in order, by counts and scans instead of a sort, the same every time.
//
// A warp bins a chunk of primitives in sequence, its lanes their tiles. It alone writes its cells, one per tile; the
// scan of all cells, by tile and then by chunk, gives the first entry of each chunk.
#pragma once
#include "scene_cuda.h"

// Returns a value of an array that was scanned within blocks.
__device__ __forceinline__ int64_t scanned(const int32_t* values, const int64_t* base, int64_t index) {
    return base[index / kScanBlock] + (uint32_t)values[index];
}

// Returns the index of a tile's first entry after all are filled in: the end of the tile before.
__device__ __forceinline__ int64_t first_entry(const Scene& scene, int64_t tile) {
    return tile == 0 ? 0 : scanned(scene.cells, scene.cell_base, tile * scene.chunks - 1);
}

// Calls visit(lane's tile, whether the primitive may be visible there, the rows) for the tiles of all lanes at once.
template <class Visit>
__device__ __forceinline__ void for_tiles(const Scene& scene, const Primitive& q, int lane, Visit visit) {
    TileBox box;
    if (!touched_tiles(q, scene.width, scene.height, box)) return;
    const int columns = box.x1 - box.x0 + 1, tiles = columns * (box.y1 - box.y0 + 1);
    for (int start = 0; start < tiles; start += kWarp) {
        const int number = start + lane, x = box.x0 + number % columns, y = box.y0 + number / columns;
        int first = 0, last = 0;
        const bool seen = number < tiles && rows_on_tile(q, x, y, scene.height, first, last);
        visit((int64_t)y * scene.tiles_x + x, seen, first, last);
    }
}

// Counts entries and pairs. A warp per chunk; cells must be 0.
__device__ void count_chunk(const Scene& scene, int chunk, int lane) {
    const int begin = chunk * scene.chunk, end = min(begin + scene.chunk, scene.count);
    for (int i = begin; i < end; ++i) {
        int pairs = 0;
        for_tiles(scene, scene.primitives[i], lane, [&](int64_t tile, bool seen, int, int) {
            if (seen) ++scene.cells[tile * scene.chunks + chunk];
            pairs += __popc(__ballot_sync(kAll, seen));
        });
        if (lane == 0) scene.pairs[i] = pairs;
        __syncwarp();
    }
}

// Writes the entries; each cell moves from its first entry to the end.
__device__ void fill_chunk(const Scene& scene, int chunk, int lane) {
    const int begin = chunk * scene.chunk, end = min(begin + scene.chunk, scene.count);
    for (int i = begin; i < end; ++i) {
        int64_t pair = scanned(scene.pairs, scene.pair_base, i);
        for_tiles(scene, scene.primitives[i], lane, [&](int64_t tile, bool seen, int first, int last) {
            const unsigned those = __ballot_sync(kAll, seen);
            if (seen) {
                const int64_t cell = tile * scene.chunks + chunk;
                const int64_t at = scanned(scene.cells, scene.cell_base, cell);
                ++scene.cells[cell];
                const int64_t own = pair + __popc(those & ((1u << lane) - 1u));
                scene.entries[at] = {i, (int16_t)first, (int16_t)last, own};
            }
            pair += __popc(those);
        });
        __syncwarp();
    }
}

// The sum of the values of the threads before this one, of a block of kScanThreads; and of all.
template <class T>
__device__ T exclusive_sum(T value, T& total) {
    __shared__ T of_warp[kScanThreads / kWarp];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    T upto = value;
    for (int step = 1; step < kWarp; step *= 2) {
        const T before = __shfl_up_sync(kAll, upto, step);
        if (lane >= step) upto += before;
    }
    if (lane == kWarp - 1) of_warp[warp] = upto;
    __syncthreads();
    T before = 0;
    total = 0;
    for (int w = 0; w < kScanThreads / kWarp; ++w) {
        if (w < warp) before += of_warp[w];
        total += of_warp[w];
    }
    __syncthreads();
    return before + upto - value;
}

// Replaces a block of values by the sums of those before them in the block, modulo 2^32; their total is exact.
__device__ void scan_block(int32_t* values, int64_t count, int64_t block, int64_t* totals) {
    const int64_t start = block * kScanBlock + threadIdx.x * kScanItems;
    int32_t own[kScanItems];
    int64_t sum = 0, total;
    for (int i = 0; i < kScanItems; ++i) {
        own[i] = start + i < count ? values[start + i] : 0;
        sum += own[i];
    }
    int64_t before = exclusive_sum(sum, total);
    for (int i = 0; i < kScanItems; ++i) {
        if (start + i < count) values[start + i] = (int32_t)before;
        before += own[i];
    }
    if (threadIdx.x == 0) totals[block] = total;
}

// Replaces the totals of blocks by the sums of those before them; returns the sum of all. One block of threads.
__device__ int64_t scan_totals(int64_t* totals, int64_t count) {
    int64_t before = 0;
    for (int64_t start = 0; start < count; start += kScanThreads) {
        const int64_t at = start + threadIdx.x;
        int64_t total;
        const int64_t sum = before + exclusive_sum(at < count ? totals[at] : (int64_t)0, total);
        if (at < count) totals[at] = sum;
        before += total;
    }
    return before;
}

__device__ __forceinline__ int64_t cell_count(const Scene& scene) {
    return (int64_t)scene.tiles_x * scene.tiles_y * scene.chunks;
}
__device__ __forceinline__ int64_t scan_blocks(int64_t count) {
    return (count + kScanBlock - 1) / kScanBlock;
}
