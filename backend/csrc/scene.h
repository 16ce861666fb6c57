// The input and output of the CPU engine; backend/engines/native.py mirrors these structs.
#pragma once
#include "encoding.h"
#include "raster_math.h"
#include "simd.h"

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

enum Mode : int32_t { kForward = 0, kBackward = 1, kStep = 2 };

// A primitive that may be visible on a tile, on the rows of the bits in `rows`; without a bit, the pair does not count.
// A row is 8 px: rows 0 to 15 are the tile's left half, from the top down, 16 to 31 its right half.
struct Pair {
    int32_t primitive, tile;
    uint32_t rows;
};

// The values of a row of samples that the forward pass keeps for the backward pass.
struct Row {
    Floats mask, slope_u, slope_v, transmittance;
};

struct Scene {
    int32_t width, height, tiles_x, tiles_y;  // px, tiles
    int32_t count, mode, loss, linear;        // primitives; Mode; Loss; 1 if light is composited
    // Only the canvas rows y with y % row_step == row_phase are visited, by the step alone: loss, gradients and
    // removals are row_step times theirs, an estimate without bias over the phases. row_step: 0 or 1 for all rows, 2,
    // 4 or 8; tiles_y counts tiles of 16 * row_step canvas rows.
    int32_t row_step, row_phase;
    uint32_t noise_key;    // see noise.h
    float noise_contrast;  // 0: the background is the plane
    // A row of a tile ends where the transmittance of all its pixels is less. What lies behind has no gradients and no
    // removals there, and is composited until its own transmittance is less too; behind that, the background shows. So
    // what is left out are samples behind less than the threshold. 0: exact.
    float threshold;
    int32_t next_block;     // of primitives
    const float* params;    // [count, kParams]
    const int32_t* level;   // [count] index into levels
    const uint8_t* mirror;  // [count]
    const Level* levels;
    const float* decode;      // light of the texel values 0, 1/4, 2/4 ... 255 and one more
    const float* background;  // [3, height, width], null with noise
    float* image;             // [3, height, width] out, forward and optionally step
    float* alpha;             // [height, width] out, forward only
    const float* grad_image;  // [3, height, width] backward only
    const float* grad_alpha;  // [height, width] backward only, may be null
    const float* target;      // [3, height, width] display-encoded, step only
    const float* weight;      // [height, width] step only
    float* loss_map;          // [height, width] out, step only, may be null
    double* tile_loss;        // [tiles] out, step only
    float* grad;              // [count, kParams] out
    float* removal;           // [count] out, step only, may be null: increase of the loss without a primitive
    Primitive* primitives;    // [count]
    int64_t* first_pair;      // [count + 1] where a primitive's pairs begin, one for each tile of its box
    Pair* pairs;              // [pair_capacity] by primitive, then by tile
    int64_t pair_capacity;
    int64_t* first_entry;  // [tiles + 1] where a tile's entries begin
    int64_t* entries;      // [pairs] indices of pairs, by tile, then by primitive
    float* records;        // [pairs, kRecord], 64-byte aligned
    Row* rows;             // [threads, row_capacity], 64-byte aligned
    int64_t row_capacity;  // rows of samples on the fullest tile
    int32_t* order;        // [2 * tiles] the tiles, those with much work first, then the work of each; may be null
    int64_t samples;       // out: samples without an early end, whole rows counted
    int64_t next_tile;
};

// Primitives to add, each as if it alone lay on top of an image.
struct Candidates {
    int32_t width, height, count, linear;
    const float* params;    // [count, kParams]; the colors are read by diffbmp_gains alone
    const int32_t* level;   // [count]
    const uint8_t* mirror;  // [count]
    const Level* levels;
    const float* decode;
    const float* image;     // [3, height, width] as composited
    const float* target;    // [3, height, width]: diffbmp_solve: as composited; diffbmp_gains: display-encoded
    const float* weight;    // [height, width]; diffbmp_solve may have one for each channel
    const float* loss_map;  // [height, width] weighted loss of the image; diffbmp_gains only
    float* result;          // diffbmp_solve: [count, kSolution]; diffbmp_gains: [count]
    int64_t weight_plane;   // values from a channel's weight to the next one's: 0 if all channels have the same
    int64_t next;
    const int64_t* order;  // [count] the candidates, neighbors one after the other: they share the cache
    // Of a candidate with many rows only every row_step-th is visited, and counts as much more: every second or fourth
    // of less high ones, so that at least kFewestRows are. 0 or 1: all rows; a power of two.
    int64_t row_step;
};
