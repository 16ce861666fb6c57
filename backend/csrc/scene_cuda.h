// The input and output of the CUDA kernels; backend/engines/cuda/structs.py mirrors these structs.
//
// Each kernel has one argument: a pointer to a Scene (or Candidates) in device memory. If the host changes the struct,
// it changes the work of later launches, including recorded graphs.
#pragma once
#include "descent.h"
#include "encoding.h"
#include "noise.h"
#include "raster_math.h"

constexpr int kWarp = 32;
constexpr unsigned kAll = 0xffffffffu;  // lanes
constexpr int kThreads = 64;            // of a tile's block: a column of kPixels pixels each
constexpr int kPixels = 4;              // of a thread: rows r, r + 4, r + 8, r + 12
constexpr int kRowStep = kTile / kPixels;
constexpr int kTileWarps = kThreads / kWarp;
constexpr int kTilePixels = kTile * kTile;
constexpr int kScanThreads = 256, kScanItems = 8, kScanBlock = kScanThreads * kScanItems;

enum Mode { kForward, kBackward, kStep, kScored };

// A primitive on a tile; entries are sorted by tile, then front to back.
struct Entry {
    int32_t primitive;
    int16_t first, last;  // rows
    int64_t pair;         // its index by primitive, then by tile: the place of its record
};

struct Status {
    int64_t pairs;     // of primitives and tiles
    int32_t overflow;  // 1 if they lack memory: then nothing was drawn
    int32_t unused;
    double loss;  // of a step; infinite after an overflow
};

struct Scene {
    int32_t width, height, tiles_x, tiles_y;  // px, tiles
    int32_t count, loss;                      // primitives; Loss
    int32_t deterministic;                    // 1: records summed in order, 0: atomic sums
    int32_t chunk, chunks;                    // primitives that a warp bins, and how many such warps
    uint32_t noise_key;                       // of the background
    float noise_contrast;                     // 0: the background is a plane
    int32_t unused;
    int64_t pair_capacity;
    const float* params;    // [count, kParams] px of the picture, colors as composited
    const int32_t* level;   // [count] index into levels
    const uint8_t* mirror;  // [count]
    const Level* levels;
    const float* decode;      // light of the texel values 0, 1/4, 2/4 ... 255 and one more
    const float* background;  // [3, height, width], not read where there is noise
    float* image;             // [3, height, width] out
    float* alpha;             // [height, width] out, forward only
    const float* grad_image;  // [3, height, width] backward only
    const float* grad_alpha;  // [height, width] backward only, may be null
    const float* target;      // [3, height, width] encoded
    const float* weight;      // [height, width]
    float* loss_map;          // [height, width] out, scored only
    float* grad;              // [count, kParams] out
    float* removal;           // [count] out, scored only: increase of the loss without a primitive
    Status* status;           // out
    Primitive* primitives;    // [count]
    int32_t* cells;           // [tiles, chunks] entries of a tile by a chunk; scanned within blocks; then the ends
    int64_t* cell_base;       // [cells / kScanBlock] sum before a block of cells
    int32_t* pairs;           // [count] tiles of a primitive; scanned within blocks
    int64_t* pair_base;       // [count / kScanBlock]
    Entry* entries;           // [pair_capacity]
    float* transmittance;     // [pair_capacity, kTilePixels] in front of an entry; not for forward
    double* tile_loss;        // [tiles]
    float* records;           // [pair_capacity, kTileWarps, kRecord], or [count, kRecord] if not deterministic
    Descent descent;
};

static_assert(sizeof(Level) == 64 && sizeof(Primitive) == 136 && sizeof(Entry) == 16 && sizeof(Status) == 24, "");

// Primitives to add, each as if it alone lay on top of an image.
struct Candidates {
    int32_t width, height, count, unused;
    const float* params;    // [count, kParams]; the colors are read by candidates_gains alone
    const int32_t* level;   // [count]
    const uint8_t* mirror;  // [count]
    const Level* levels;
    const float* decode;
    const float* image;     // [3, height, width] as composited
    const float* target;    // [3, height, width]: candidates_solve: as composited; candidates_gains: encoded
    const float* weight;    // [height, width]; candidates_solve may have one for each channel
    const float* loss_map;  // [height, width] weighted loss of the image; candidates_gains only
    float* result;          // candidates_solve: [count, kSolution]; candidates_gains: [count]
    int64_t weight_plane;   // values from a channel's weight to the next one's: 0 if all channels have the same
    Primitive* primitives;  // [count]
};

static_assert(sizeof(Scene) == 464 && sizeof(Candidates) == 112, "");
