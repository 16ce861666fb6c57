// Pictures of 8 bits: their planes, their scaling, and the filters of PNG.
#include "elementary.h"
#include "scene.h"

// Pixels [count, 4] as planes [3, count] and [count] of values in [0, 1].
EXPORT void diffbmp_planes(const uint8_t* pixels, float* color, float* alpha, int64_t count) {
    for (int channel = 0; channel < 4; ++channel) {
        float* plane = channel < 3 ? color + channel * count : alpha;
        for (int64_t i = 0; i < count; ++i) plane[i] = (float)pixels[4 * i + channel] / 255.0f;
    }
}

template <int kChannels>
static void interleave(const float* planes, uint8_t* pixels, int64_t count, int64_t plane) {
    for (int64_t i = 0; i < count; ++i)
        for (int channel = 0; channel < kChannels; ++channel) {
            float value = planes[channel * plane + i];
            value = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
            const float shifted = value * 255.0f + 12582912.0f;  // rounds to the nearest, halves to even
            pixels[kChannels * i + channel] = (uint8_t)(shifted - 12582912.0f);
        }
}

// Planes [3 or 4, plane] of which `count` values are taken, clamped to [0, 1], as pixels [count, 3 or 4].
EXPORT void diffbmp_pixels(const float* planes, uint8_t* pixels, int64_t count, int64_t plane, int32_t channels) {
    channels == 3 ? interleave<3>(planes, pixels, count, plane) : interleave<4>(planes, pixels, count, plane);
}

// Gray, gray with alpha, RGB or RGBA pixels as RGBA.
EXPORT void diffbmp_rgba(const uint8_t* pixels, uint8_t* rgba, int64_t count, int32_t channels) {
    const int green = channels >= 3 ? 1 : 0, blue = channels >= 3 ? 2 : 0;
    for (int64_t i = 0; i < count; ++i, pixels += channels, rgba += 4) {
        rgba[0] = pixels[0];
        rgba[1] = pixels[green];
        rgba[2] = pixels[blue];
        rgba[3] = channels % 2 ? 255 : pixels[channels - 1];
    }
}

// The brightness (ITU-R BT.601) of RGBA pixels over black.
EXPORT void diffbmp_gray(const uint8_t* rgba, uint8_t* gray, int64_t count) {
    for (int64_t i = 0; i < count; ++i, rgba += 4) {
        const uint32_t luma = (rgba[0] * 19595u + rgba[1] * 38470u + rgba[2] * 7471u + 0x8000u) >> 16;
        gray[i] = (uint8_t)((luma * rgba[3] + 127u) / 255u);
    }
}

constexpr double kPi = 3.14159265358979323846;

static double sine(double angle) {
    double sine, cosine;
    sine_cosine(angle, sine, cosine);
    return sine;
}

static double lanczos(double x) {
    if (x <= -3.0 || x >= 3.0) return 0.0;
    return x == 0.0 ? 1.0 : 3.0 * sine(kPi * x) * sine(kPi * x / 3.0) / (kPi * kPi * x * x);
}

// The weights of an axis that is scaled from `in` to `out` pixels: first [out], weights [out, taps], taps <= in.
// smooth: Lanczos's window of 3 lobes instead of the mean over the area.
EXPORT void diffbmp_scaling(int32_t* first, float* weights, int64_t in, int64_t out, int64_t taps, int32_t smooth) {
    const double scale = (double)in / (double)out, wide = scale > 1.0 ? scale : 1.0;
    const double reach = smooth ? 3.0 * wide : 0.5 * scale;
    for (int64_t i = 0; i < out; ++i, weights += taps) {
        const double middle = ((double)i + 0.5) * scale;
        int64_t begin = (int64_t)(middle - reach > 0.0 ? middle - reach : 0.0);
        begin = begin + taps > in ? in - taps : begin;
        first[i] = (int32_t)begin;
        double sum = 0.0;
        for (int pass = 0; pass < 2; ++pass)
            for (int64_t k = 0; k < taps; ++k) {
                const double at = (double)(begin + k), low = middle - reach, high = middle + reach;
                const double from = at > low ? at : low, to = at + 1.0 < high ? at + 1.0 : high;
                const double area = to > from ? to - from : 0.0;
                const double weight = smooth ? lanczos((at + 0.5 - middle) / wide) : area;
                if (pass == 0)
                    sum += weight;
                else
                    weights[k] = (float)(weight / sum);
            }
    }
}

// A picture that is scaled while its rows come in; pictures/scaling.py mirrors it.
struct Scaling {
    const int32_t *first_x, *first_y;  // [out_width], [out_height]
    const float *weights_x, *weights_y;
    float* line;   // [in_width, channels]
    float* ring;   // [taps_y, out_width, channels]: the latest rows, scaled across
    float* total;  // [out_width, channels]
    uint8_t* out;  // [out_height, out_width, channels]
    int64_t in_width, out_width, out_height, taps_x, taps_y;
    int64_t channels;           // 1 or 3, or 4 = straight RGBA
    int64_t next_in, next_out;  // rows
};

typedef float Float4 __attribute__((vector_size(16)));

static inline Float4 four(const float* from) {
    Float4 value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static void scale_across(const Scaling& s, float* row) {
    for (int64_t x = 0; x < s.out_width; ++x) {
        const float* weights = s.weights_x + x * s.taps_x;
        const float* from = s.line + s.first_x[x] * s.channels;
        if (s.channels != 4) {
            for (int64_t i = 0; i < s.channels; ++i) {
                float total = 0.0f;
                for (int64_t k = 0; k < s.taps_x; ++k) total += from[k * s.channels + i] * weights[k];
                row[x * s.channels + i] = total;
            }
            continue;
        }
        Float4 total[2] = {};
        int64_t k = 0;
        for (; k + 1 < s.taps_x; k += 2) {
            total[0] = total[0] + four(from + 4 * k) * weights[k];
            total[1] = total[1] + four(from + 4 * k + 4) * weights[k + 1];
        }
        if (k < s.taps_x) total[0] = total[0] + four(from + 4 * k) * weights[k];
        total[0] += total[1];
        memcpy(row + 4 * x, total, sizeof(Float4));
    }
}

static inline uint8_t rounded(float value) {
    return (uint8_t)(value > 0.0f ? (value < 255.0f ? value + 0.5f : 255.0f) : 0.0f);
}

static void finish_row(const Scaling& s) {
    const int64_t count = s.out_width * s.channels;
    const float* weights = s.weights_y + s.next_out * s.taps_y;
    memset(s.total, 0, count * sizeof(float));
    for (int64_t k = 0; k < s.taps_y; ++k) {
        const float* row = s.ring + (s.first_y[s.next_out] + k) % s.taps_y * count;
        for (int64_t i = 0; i < count; ++i) s.total[i] = s.total[i] + row[i] * weights[k];
    }
    uint8_t* out = s.out + s.next_out * count;
    for (int64_t x = 0; s.channels != 4 && x < count; ++x) out[x] = rounded(s.total[x]);
    for (int64_t x = 0; s.channels == 4 && x < count; x += 4) {
        const float alpha = s.total[x + 3], straight = alpha > 0.0f ? 255.0f / alpha : 0.0f;
        for (int channel = 0; channel < 3; ++channel) out[x + channel] = rounded(s.total[x + channel] * straight);
        out[x + 3] = rounded(alpha);
    }
}

// Adds rows [rows, in_width, channels] below the earlier ones.
EXPORT void diffbmp_scale(Scaling* scaling, const uint8_t* pixels, int64_t rows) {
    Scaling& s = *scaling;
    const int64_t width = s.in_width * s.channels;
    for (int64_t y = 0; y < rows; ++y, pixels += width) {
        if (s.channels != 4)
            for (int64_t x = 0; x < width; ++x) s.line[x] = pixels[x];
        else
            for (int64_t x = 0; x < width; x += 4) {
                const float alpha = pixels[x + 3];
                for (int i = 0; i < 3; ++i) s.line[x + i] = (float)pixels[x + i] * alpha / 255.0f;
                s.line[x + 3] = alpha;
            }
        scale_across(s, s.ring + s.next_in++ % s.taps_y * s.out_width * s.channels);
        for (; s.next_out < s.out_height && s.first_y[s.next_out] + s.taps_y <= s.next_in; ++s.next_out) finish_row(s);
    }
}

static inline int paeth(int left, int above, int corner) {
    const int guess = left + above - corner;
    const int a = guess > left ? guess - left : left - guess, b = guess > above ? guess - above : above - guess;
    const int c = guess > corner ? guess - corner : corner - guess;
    return a <= b && a <= c ? left : (b <= c ? above : corner);
}

// Undoes the filter of a row of pixels by those to the left, above and in the corner between them.
template <int kPixel>
static void unfilter_row(int kind, const uint8_t* in, const uint8_t* above, uint8_t* out, int64_t size) {
    int left[kPixel] = {}, corner[kPixel] = {};
    for (int64_t i = 0; i < size; i += kPixel)
        for (int k = 0; k < kPixel; ++k) {
            const int up = above[i + k];
            const int guess = kind == 1 ? left[k] : (kind == 3 ? (left[k] + up) / 2 : paeth(left[k], up, corner[k]));
            left[k] = out[i + k] = (uint8_t)(in[i + k] + guess);
            corner[k] = up;
        }
}

// Undoes the filters of rows [rows, 1 + size]: out [rows, size]. above: the row before; pixel: bytes of one, 1 to 4.
// Returns false where a row names a filter that there is not.
EXPORT int32_t diffbmp_unfilter(const uint8_t* in, const uint8_t* above, uint8_t* out, int64_t rows, int64_t size,
                                int64_t pixel) {
    for (int64_t y = 0; y < rows; ++y, above = out, out += size, in += size) {
        const int kind = *in++;
        if (kind > 4) return 0;
        if (kind == 0) {
            memcpy(out, in, size);
        } else if (kind == 2) {
            for (int64_t i = 0; i < size; ++i) out[i] = (uint8_t)(in[i] + above[i]);
        } else {
            const auto unfilter = pixel == 1   ? unfilter_row<1>
                                  : pixel == 2 ? unfilter_row<2>
                                  : pixel == 3 ? unfilter_row<3>
                                               : unfilter_row<4>;
            unfilter(kind, in, above, out, size);
        }
    }
    return 1;
}

static inline uint32_t magnitude(int value) {
    const uint8_t up = (uint8_t)value, down = (uint8_t)-value;
    return up < down ? up : down;
}

// Filters rows [rows, size]: out [rows, 1 + size]: each unchanged, minus the pixel to the left, or minus the one above,
// whichever has the least sum.
EXPORT void diffbmp_filter(const uint8_t* in, const uint8_t* above, uint8_t* out, int64_t rows, int64_t size,
                           int64_t pixel) {
    for (int64_t y = 0; y < rows; ++y, above = in, in += size) {
        uint32_t sums[3] = {};
        for (int64_t i = 0; i < size; ++i) {
            sums[0] += magnitude(in[i]);
            sums[2] += magnitude(in[i] - above[i]);
        }
        for (int64_t i = 0; i < pixel; ++i) sums[1] += magnitude(in[i]);
        for (int64_t i = pixel; i < size; ++i) sums[1] += magnitude(in[i] - in[i - pixel]);
        const int best = sums[1] < sums[0] ? (sums[2] < sums[1] ? 2 : 1) : (sums[2] < sums[0] ? 2 : 0);
        *out++ = (uint8_t)best;
        if (best == 0) memcpy(out, in, size);
        if (best == 1) {
            memcpy(out, in, pixel);
            for (int64_t i = pixel; i < size; ++i) out[i] = (uint8_t)(in[i] - in[i - pixel]);
        }
        if (best == 2)
            for (int64_t i = 0; i < size; ++i) out[i] = (uint8_t)(in[i] - above[i]);
        out += size;
    }
}
