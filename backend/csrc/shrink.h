// Exact area means along both axes of planes. Every product is rounded before it is added: the same numbers on every
// processor.
#pragma once
#include "scene.h"

#pragma clang fp contract(off)

// Scratch memory that is taken from its beginning; a copy gives all back that it took.
struct Memory {
    char *next, *end;

    template <class T>
    T* take(int64_t count) {
        char* begin = next;
        next += (count * (int64_t)sizeof(T) + 63) / 64 * 64;
        if (next > end) __builtin_trap();
        return (T*)begin;
    }
};

// The samples of an axis that each smaller one covers, and the shares of them.
struct Shares {
    int32_t old, size, taps;
    float scale;
    int32_t* first;  // [size]
    float* share;    // [taps, size]

    Shares(int32_t old, int32_t size, Memory& memory) : old(old), size(size), taps(1), scale(1.0f) {
        first = memory.take<int32_t>(size);
        const double step = (double)old / size;
        if (size != old) {
            taps = (int32_t)step + ((double)(int32_t)step < step) + 1;
            scale = (float)((double)size / old);
        }
        share = memory.take<float>((int64_t)taps * size);
        for (int32_t i = 0; i < size; ++i) {
            const double begin = i * step, end = (i + 1) * step;
            first[i] = (int32_t)begin;
            for (int32_t tap = 0; tap < taps; ++tap) {
                const double from = first[i] + tap, to = from + 1.0;
                const double covered = (to < end ? to : end) - (from > begin ? from : begin);
                share[(int64_t)tap * size + i] = covered > 0.0 ? (float)covered : 0.0f;
            }
        }
    }

    int32_t at(int32_t i, int32_t tap) const { return first[i] + tap < old ? first[i] + tap : old - 1; }

    void along(const float* row, float* out) const {
        if (size == old) {
            memcpy(out, row, size * sizeof(float));
            return;
        }
        if (old == 2 * size) {
            for (int32_t i = 0; i < size; ++i) out[i] = (row[2 * i] + row[2 * i + 1]) * scale;
            return;
        }
        for (int32_t i = 0; i < size; ++i) {
            float total = 0.0f;
            for (int32_t tap = 0; tap < taps; ++tap) total += row[at(i, tap)] * share[(int64_t)tap * size + i];
            out[i] = total * scale;
        }
    }
};

// Shrinks planes to [planes, height, width]. load(y, rows): writes a row of each plane, [planes, old width].
template <class Load>
static void shrink(int32_t old_width, int32_t old_height, int32_t width, int32_t height, int planes, Memory memory,
                   Load load, float* out) {
    const Shares down(old_height, height, memory), across(old_width, width, memory);
    const int64_t values = (int64_t)planes * old_width;
    float *row = memory.take<float>(values), *total = memory.take<float>(values);
    int32_t loaded = -1;
    for (int32_t y = 0; y < height; ++y) {
        if (height == old_height) {
            load(y, total);
        } else {
            memset(total, 0, values * sizeof(float));
            for (int32_t tap = 0; tap < down.taps; ++tap) {
                const float share = down.share[(int64_t)tap * height + y];
                if (share == 0.0f) continue;
                if (loaded != down.at(y, tap)) load(loaded = down.at(y, tap), row);
                for (int64_t i = 0; i < values; ++i) total[i] += row[i] * share;
            }
            for (int64_t i = 0; i < values; ++i) total[i] *= down.scale;
        }
        for (int p = 0; p < planes; ++p)
            across.along(total + (int64_t)p * old_width, out + ((int64_t)p * height + y) * width);
    }
}
