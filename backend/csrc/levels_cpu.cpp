// Mip levels of stamps: smaller copies by exact area means, octave by octave, and their tables for the engines.
#include "shrink.h"

#pragma clang fp contract(off)

// A stamp and its wanted levels. The levels' sizes are those of the picture that is level (0, 0).
struct Stamp {
    const uint8_t* texels;                    // [height, width, channels] of the level (first, first)
    const int32_t *widths, *heights;          // texels of each level along u and v
    const int32_t* wanted;                    // [count, 2] levels along u and v
    Level* levels;                            // [count] out, with addresses of memory for their tables; or null
    uint8_t* const* bitmaps;                  // [count] out: [height, width, planes], alpha last; if no levels
    int32_t channels, planes, first, count;   // channels and planes: 1 = alpha, 4 = RGBA
    int32_t count_u, count_v, width, height;  // numbers of levels; size of the level (0, 0)
    float bleed;                              // the weight of a transparent texel's color
};

namespace {

constexpr int kMostLevels = 64;

uint8_t rounded(float value) {
    const float whole = __builtin_rintf(value * 255.0f);
    return (uint8_t)(whole < 0.0f ? 0.0f : whole > 255.0f ? 255.0f : whole);
}

// Packs 2 x 2 neighboring texels of a channel with a border of 2 into each word, `stride` words apart.
void write_footprints(const uint8_t* texels, int32_t channels, int32_t width, int32_t height, bool edge, Memory memory,
                      uint32_t* out, int32_t stride) {
    uint8_t *upper = memory.take<uint8_t>(width + 4), *lower = memory.take<uint8_t>(width + 4);
    for (int32_t y = -kBorder; y < height + kBorder; ++y) {
        const int32_t inside = y < 0 ? 0 : y < height ? y : height - 1;
        const uint8_t* row = texels + (int64_t)inside * width * channels;
        if (edge || inside == y) {
            for (int32_t x = 0; x < width; ++x) lower[x + kBorder] = row[(int64_t)x * channels];
            for (int32_t x = 0; x < kBorder; ++x) {
                lower[x] = edge ? lower[kBorder] : 0;
                lower[width + kBorder + x] = edge ? lower[width + kBorder - 1] : 0;
            }
        } else {
            memset(lower, 0, width + 4);
        }
        if (y > -kBorder) {
            for (int32_t x = 0; x < width + 3; ++x)
                out[(int64_t)x * stride] = upper[x] | upper[x + 1] << 8 | lower[x] << 16 | (uint32_t)lower[x + 1] << 24;
            out += (int64_t)(width + 3) * stride;
        }
        uint8_t* swap = upper;
        upper = lower;
        lower = swap;
    }
}

// The first and the last visible texel of a row; false if there is none.
bool visible(const uint8_t* row, int32_t channels, int32_t width, int32_t& first, int32_t& last) {
    for (first = 0; first < width && !row[(int64_t)first * channels]; ++first) {
    }
    if (first == width) return false;
    for (last = width - 1; !row[(int64_t)last * channels]; --last) {
    }
    return true;
}

// The box and the radius of the visible texels.
void measure(const uint8_t* alpha, int32_t channels, int32_t width, int32_t height, double density_u, double density_v,
             Level& level) {
    int32_t left = width, right = -1, top = height, bottom = -1, first, last;
    const int64_t pitch = (int64_t)width * channels;
    for (int32_t y = 0; y < height; ++y) {
        if (!visible(alpha + y * pitch, channels, width, first, last)) continue;
        if (bottom < 0) top = y;
        bottom = y;
        left = first < left ? first : left;
        right = last > right ? last : right;
    }
    level.box_u = level.box_v = level.radius = 0.0f;
    level.half_u = level.half_v = -1.0f;
    if (bottom < 0) return;
    const double center_u = (left + right) / 2.0, center_v = (top + bottom) / 2.0;
    double farthest = 0.0;
    for (int32_t y = top; y <= bottom; ++y) {
        if (!visible(alpha + y * pitch, channels, width, first, last)) continue;
        const double before = center_u - first, after = last - center_u;
        const double du = (before > after ? before : after) / density_u, dv = (y - center_v) / density_v;
        const double square = du * du + dv * dv;
        farthest = square > farthest ? square : farthest;
    }
    level.box_u = (float)(center_u - (width - 1) / 2.0);
    level.box_v = (float)(center_v - (height - 1) / 2.0);
    level.half_u = (float)((right - left) / 2.0);
    level.half_v = (float)((bottom - top) / 2.0);
    level.radius = (float)__builtin_sqrt(farthest);
}

// Makes the levels of a stamp, each from its parent: two levels finer along both axes, as far as there are such.
struct Pyramid {
    const Stamp& stamp;
    int32_t wanted[kMostLevels][kMostLevels];  // 0: not needed; -1: only to make others; above: its number + 1

    explicit Pyramid(const Stamp& stamp) : stamp(stamp) {
        memset(wanted, 0, sizeof wanted);
        for (int32_t i = 0; i < stamp.count; ++i) {
            int32_t u = stamp.wanted[2 * i], v = stamp.wanted[2 * i + 1];
            wanted[u][v] = i + 1;
            while (u > stamp.first || v > stamp.first) {
                u = u - 2 > stamp.first ? u - 2 : stamp.first;
                v = v - 2 > stamp.first ? v - 2 : stamp.first;
                if (!wanted[u][v]) wanted[u][v] = -1;
            }
        }
    }

    // planes: of the level, alpha last; null = the texels of the stamp.
    void make(int32_t u, int32_t v, const float* planes, Memory memory) const {
        if (wanted[u][v] > 0) write(wanted[u][v] - 1, u, v, planes, memory);
        const int32_t last_u = u > stamp.first ? u + 2 : u, last_v = v > stamp.first ? v + 2 : v;
        for (int32_t i = last_u; i <= u + 2 && i < stamp.count_u; ++i)
            for (int32_t j = last_v; j <= v + 2 && j < stamp.count_v; ++j)
                if (wanted[i][j] && (i > u || j > v)) descend(u, v, i, j, planes, memory);
    }

    void descend(int32_t u, int32_t v, int32_t i, int32_t j, const float* planes, Memory memory) const {
        const int32_t old_width = stamp.widths[u], old_height = stamp.heights[v];
        const int32_t width = stamp.widths[i], height = stamp.heights[j];
        float* smaller = memory.take<float>((int64_t)stamp.planes * width * height);
        auto load = [&](int32_t y, float* rows) {
            if (!planes) return load_texels(y, rows);
            for (int p = 0; p < stamp.planes; ++p, rows += old_width)
                memcpy(rows, planes + ((int64_t)p * old_height + y) * old_width, old_width * sizeof(float));
        };
        shrink(old_width, old_height, width, height, stamp.planes, memory, load, smaller);
        make(i, j, smaller, memory);
    }

    void load_texels(int32_t y, float* rows) const {
        const int32_t width = stamp.widths[stamp.first], channels = stamp.channels;
        const uint8_t* row = stamp.texels + (int64_t)y * width * channels;
        float* alpha = rows + (int64_t)(stamp.planes - 1) * width;
        for (int32_t x = 0; x < width; ++x) alpha[x] = row[(int64_t)x * channels + channels - 1] / 255.0f;
        for (int p = 0; p < stamp.planes - 1; ++p, rows += width)
            for (int32_t x = 0; x < width; ++x) {
                const float weight = alpha[x] + stamp.bleed;
                rows[x] = row[4 * (int64_t)x + p] / 255.0f * weight;
            }
    }

    // The level in 8 bits, straight: [height, width, planes].
    void quantize(const float* planes, int64_t texels, uint8_t* out) const {
        const int last = stamp.planes - 1;
        for (int64_t i = 0; i < texels; ++i) {
            const float alpha = planes[last * texels + i], weight = alpha + stamp.bleed;
            for (int p = 0; p < last; ++p)
                out[i * stamp.planes + p] = weight > 0.0f ? rounded(planes[p * texels + i] / weight) : 0;
            out[i * stamp.planes + last] = rounded(alpha);
        }
    }

    void write(int32_t number, int32_t u, int32_t v, const float* planes, Memory memory) const {
        const int32_t width = stamp.widths[u], height = stamp.heights[v], used = stamp.planes;
        const int64_t texels = (int64_t)width * height;
        const uint8_t* bytes = stamp.texels;
        int32_t channels = stamp.channels;
        if (planes) {
            uint8_t* made = stamp.levels ? memory.take<uint8_t>(texels * used) : stamp.bitmaps[number];
            quantize(planes, texels, made);
            bytes = made;
            channels = used;
        } else if (!stamp.levels) {
            for (int64_t i = 0; i < texels; ++i)
                for (int p = 0; p < used; ++p)
                    stamp.bitmaps[number][i * used + p] = bytes[(i + 1) * channels - used + p];
        }
        if (!stamp.levels) return;
        Level& level = stamp.levels[number];
        const double longer = stamp.width > stamp.height ? stamp.width : stamp.height;
        const double density_u = (double)width / stamp.width * longer / 2.0;
        const double density_v = (double)height / stamp.height * longer / 2.0;
        level.width = width;
        level.height = height;
        level.density_u = (float)density_u;
        level.density_v = (float)density_v;
        measure(bytes + channels - 1, channels, width, height, density_u, density_v, level);
        write_footprints(bytes + channels - 1, channels, width, height, false, memory, (uint32_t*)level.alpha, 1);
        for (int p = 0; level.texture && p < 3; ++p)
            write_footprints(bytes + p, channels, width, height, true, memory, (uint32_t*)level.texture + p, 3);
    }
};

}  // namespace

EXPORT int64_t diffbmp_stamp_bytes() {
    return sizeof(Stamp);
}

// Makes levels of stamps until none is left. next: the number of the next stamp, shared by all threads. scratch: own
// memory of each thread.
EXPORT void diffbmp_levels(const Stamp* stamps, int64_t count, int64_t* next, char* scratch, int64_t bytes) {
    for (;;) {
        const int64_t number = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
        if (number >= count) return;
        const Stamp& stamp = stamps[number];
        Pyramid(stamp).make(stamp.first, stamp.first, nullptr, {scratch, scratch + bytes});
    }
}
