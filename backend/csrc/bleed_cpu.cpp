// Colors of transparent texels.
#include "shrink.h"

#pragma clang fp contract(off)

// Gives transparent texels of a picture [height, width, 4] the color of visible ones nearby: each takes the mean of the
// smallest area of an image pyramid that has a visible one.
EXPORT void diffbmp_bleed(uint8_t* rgba, int32_t width, int32_t height, char* scratch, int64_t bytes) {
    const float* colors[32];
    int32_t widths[32], heights[32];
    Memory memory{scratch, scratch + bytes};
    int32_t count = 0;
    auto hidden = [&](int32_t k, int64_t i) {
        return k ? !(colors[k][3 * (int64_t)widths[k] * heights[k] + i] > 0.0f) : rgba[4 * i + 3] == 0;
    };
    for (bool any = true; any;) {
        widths[count] = count ? (widths[count - 1] + 1) / 2 : width;
        heights[count] = count ? (heights[count - 1] + 1) / 2 : height;
        const int64_t texels = (int64_t)widths[count] * heights[count];
        if (count) {
            const int32_t old_width = widths[count - 1], old_height = heights[count - 1];
            const float* finer = colors[count - 1];
            float* coarser = memory.take<float>(4 * texels);
            colors[count] = coarser;
            auto load = [&](int32_t y, float* rows) {
                for (int p = 0; p < 4; ++p, rows += old_width) {
                    if (count > 1) {
                        memcpy(rows, finer + ((int64_t)p * old_height + y) * old_width, old_width * sizeof(float));
                        continue;
                    }
                    const uint8_t* row = rgba + 4 * (int64_t)y * width;
                    for (int32_t x = 0; x < width; ++x)
                        rows[x] = p < 3 ? (float)row[4 * x + p] * (float)row[4 * x + 3] : (float)row[4 * x + 3];
                }
            };
            shrink(old_width, old_height, widths[count], heights[count], 4, memory, load, coarser);
        }
        any = false;
        for (int64_t i = 0; i < texels && !any; ++i) any = hidden(count, i);
        if (texels == 1 && any) return;  // all is transparent
        ++count;
    }
    for (int32_t y = 0; y < height; ++y)
        for (int32_t x = 0; x < width; ++x) {
            int64_t i = (int64_t)y * width + x;
            uint8_t* texel = rgba + 4 * i;
            if (texel[3]) continue;
            int32_t k = 0;
            while (hidden(k, i)) {
                ++k;
                i = (int64_t)(y >> k) * widths[k] + (x >> k);
            }
            const int64_t texels = (int64_t)widths[k] * heights[k];
            for (int c = 0; c < 3; ++c) {
                const float color = __builtin_rintf(colors[k][c * texels + i] / colors[k][3 * texels + i]);
                texel[c] = (uint8_t)(color > 255.0f ? 255.0f : color);
            }
        }
}
