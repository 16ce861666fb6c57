// The CUDA engine's kernels. Compiled for the card at first use; memory and streams come from the caller.
//
// A step is: prepare_primitives; count_pairs, scan_cells, scan_bases, fill_entries (the primitives of each tile, in
// order); rasterize_* (a block per tile); reduce_records (gradients). A whole step of a fit has show_variables before
// them and descend_variables after them. `backend/engines/cuda/launch.py` has the launches.
#include "candidates_cuda.h"
#include "descent_cuda.h"
#include "tile_cuda.h"

#define KERNEL extern "C" __global__ void

__device__ __forceinline__ int64_t thread_number() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

// A thread per primitive.
KERNEL show_variables(const Scene* scene) {
    if (thread_number() < scene->count) show(scene->descent, thread_number());
}

// Prepares the primitive of this thread, of a Scene or Candidates.
template <class Struct>
__device__ __forceinline__ void prepare_one(const Struct& all) {
    const int64_t i = thread_number();
    if (i >= all.count) return;
    Primitive q;
    prepare(all.params + i * kParams, all.levels + all.level[i], all.mirror[i], LINEAR, q);
    all.primitives[i] = q;
}

// A thread per primitive.
KERNEL prepare_primitives(const Scene* scene) {
    prepare_one(*scene);
}

// A warp per chunk of primitives; cells must be 0.
KERNEL count_pairs(const Scene* scene) {
    const int64_t chunk = thread_number() / kWarp;
    if (chunk < scene->chunks) count_chunk(*scene, (int)chunk, threadIdx.x % kWarp);
}

// kScanThreads per block; blocks of the cells first, then those of the pairs.
KERNEL scan_cells(const Scene* scene) {
    const int64_t cells = cell_count(*scene), block = blockIdx.x, blocks = scan_blocks(cells);
    if (block < blocks)
        scan_block(scene->cells, cells, block, scene->cell_base);
    else
        scan_block(scene->pairs, scene->count, block - blocks, scene->pair_base);
}

// Two blocks of kScanThreads.
KERNEL scan_bases(const Scene* scene) {
    if (blockIdx.x == 0) {
        scan_totals(scene->cell_base, scan_blocks(cell_count(*scene)));
        return;
    }
    const int64_t pairs = scan_totals(scene->pair_base, scan_blocks(scene->count));
    if (threadIdx.x == 0) {
        scene->status->pairs = pairs;
        scene->status->overflow = pairs > scene->pair_capacity;
        scene->status->loss = INFINITY;
    }
}

// A warp per chunk of primitives.
KERNEL fill_entries(const Scene* scene) {
    const int64_t chunk = thread_number() / kWarp;
    if (scene->status->overflow || chunk >= scene->chunks) return;
    fill_chunk(*scene, (int)chunk, threadIdx.x % kWarp);
}

// At least, per multiprocessor.
constexpr int kScoredBlocks = LINEAR + TEXTURED == 2 ? 4 : 6;

// kThreads per block, a block per tile. The bounds leave enough registers to spill none.
KERNEL __launch_bounds__(kThreads, 10) rasterize_forward(const Scene* scene) {
    rasterize<kForward>(*scene);
}
KERNEL __launch_bounds__(kThreads, 8) rasterize_backward(const Scene* scene) {
    rasterize<kBackward>(*scene);
}
KERNEL __launch_bounds__(kThreads, 8) rasterize_step(const Scene* scene) {
    rasterize<kStep>(*scene);
}
KERNEL __launch_bounds__(kThreads, kScoredBlocks) rasterize_scored(const Scene* scene) {
    rasterize<kScored>(*scene);
}

// A warp per primitive.
KERNEL reduce_records(const Scene* scene) {
    const int64_t i = thread_number() / kWarp;
    if (scene->status->overflow || i >= scene->count) return;
    const int64_t first = scanned(scene->pairs, scene->pair_base, i);
    const int64_t end = i + 1 < scene->count ? scanned(scene->pairs, scene->pair_base, i + 1) : scene->status->pairs;
    reduce(*scene, i, first, end, threadIdx.x % kWarp);
}

// One block of kScanThreads: the loss of all tiles, in the same order every time.
KERNEL sum_loss(const Scene* scene) {
    if (scene->status->overflow) return;
    double own = 0.0, total;
    const int64_t tiles = (int64_t)scene->tiles_x * scene->tiles_y;
    for (int64_t t = threadIdx.x; t < tiles; t += kScanThreads) own += scene->tile_loss[t];
    exclusive_sum(own, total);
    if (threadIdx.x == 0) scene->status->loss = total;
}

// A thread per primitive.
KERNEL descend_variables(const Scene* scene) {
    if (!scene->status->overflow && thread_number() < scene->count) descend(scene->descent, thread_number());
}

// A thread per candidate.
KERNEL prepare_candidates(const Candidates* all) {
    prepare_one(*all);
}

// A warp per candidate.
KERNEL candidates_solve(const Candidates* all) {
    for_candidate(*all, [&](int64_t i, const Primitive& q, int lane) { solve(*all, i, q, lane); });
}

// A warp per candidate.
KERNEL candidates_gains(const Candidates* all) {
    for_candidate(*all, [&](int64_t i, const Primitive& q, int lane) { gain(*all, i, q, lane); });
}
