// Filters of planes and the sRGB transfer function for Python's pictures. All sums are in a fixed order, and only
// + - * / and square roots are used: the same numbers on every processor with fused multiply-add.
#include "scene.h"

template <class V>
static inline V load(const void* from) {
    V value;
    memcpy(&value, from, sizeof(V));
    return value;
}

template <class V>
static inline void store(void* to, V value) {
    memcpy(to, &value, sizeof(V));
}

// Sums with weights over windows along one axis: out[o][i] = sum of weights[k] * in[o][i + k * stride].
// size: values of one outer index, in and out.
EXPORT void diffbmp_window_sums(const float* in, float* out, const float* weights, int32_t taps, int64_t outer,
                                int64_t size_in, int64_t size_out, int64_t stride) {
    for (int64_t o = 0; o < outer; ++o, in += size_in, out += size_out) {
        int64_t i = 0;
        for (; i + 4 * kLanes <= size_out; i += 4 * kLanes) {
            Floats total[4] = {};
            for (int32_t k = 0; k < taps; ++k)
                for (int j = 0; j < 4; ++j)
                    total[j] = total[j] + load<Floats>(in + i + j * kLanes + k * stride) * weights[k];
            for (int j = 0; j < 4; ++j) store(out + i + j * kLanes, total[j]);
        }
        for (; i < size_out; ++i) {
            float total = 0.0f;
            for (int32_t k = 0; k < taps; ++k) total = total + in[i + k * stride] * weights[k];
            out[i] = total;
        }
    }
}

// The means over windows of 2 * half + 1 rows of a plane, as far as they lie inside. sums: width doubles.
EXPORT void diffbmp_box_rows(const float* in, float* out, double* sums, int64_t height, int64_t width, int64_t half) {
    for (int64_t x = 0; x < width; ++x) sums[x] = 0.0;
    int64_t end = 0, begin = 0;
    for (int64_t y = 0; y < height; ++y) {
        for (; end < height && end <= y + half; ++end)
            for (int64_t x = 0; x < width; ++x) sums[x] += in[end * width + x];
        for (; begin < y - half; ++begin)
            for (int64_t x = 0; x < width; ++x) sums[x] -= in[begin * width + x];
        const double share = 1.0 / (double)(end - begin);
        for (int64_t x = 0; x < width; ++x) out[y * width + x] = (float)(sums[x] * share);
    }
}

// The same over windows of columns.
EXPORT void diffbmp_box_columns(const float* in, float* out, int64_t height, int64_t width, int64_t half) {
    for (int64_t y = 0; y < height; ++y, in += width, out += width) {
        double sum = 0.0;
        int64_t end = 0, begin = 0;
        for (int64_t x = 0; x < width; ++x) {
            for (; end < width && end <= x + half; ++end) sum += in[end];
            for (; begin < x - half; ++begin) sum -= in[begin];
            out[x] = (float)(sum / (double)(end - begin));
        }
    }
}

// The means over areas of factor x factor values of a plane, fewer at the far edges. sums: width doubles.
EXPORT void diffbmp_shrunk(const float* in, float* out, double* sums, int64_t height, int64_t width, int64_t factor) {
    const int64_t columns = (width + factor - 1) / factor;
    for (int64_t top = 0; top < height; top += factor, out += columns) {
        const int64_t rows = top + factor < height ? factor : height - top;
        for (int64_t x = 0; x < width; ++x) sums[x] = in[top * width + x];
        for (int64_t y = top + 1; y < top + rows; ++y)
            for (int64_t x = 0; x < width; ++x) sums[x] += in[y * width + x];
        for (int64_t column = 0; column < columns; ++column) {
            const int64_t left = column * factor, right = left + factor < width ? left + factor : width;
            double sum = 0.0;
            for (int64_t x = left; x < right; ++x) sum += sums[x];
            out[column] = (float)(sum / (double)(rows * (right - left)));
        }
    }
}

// The fifth root of positive values: a fifth of the exponent, then two steps of Halley's method.
static inline Floats fifth_root(Floats value) {
    const Floats fifth = __builtin_convertvector((Ints)value, Floats) * 0.2f + 851780000.0f;
    Floats root = (Floats) __builtin_convertvector(fifth, Ints);
    for (int i = 0; i < 2; ++i) {
        const Floats square = root * root, power = square * square * root;
        root *= (2.0f * power + 3.0f * value) / (3.0f * power + 2.0f * value);
    }
    return root;
}

static inline Floats decoded(Floats value) {
    const Floats base = (most(value, 0.04045f) + 0.055f) * (1.0f / 1.055f), square = base * base;
    return select(value, 0.04045f, value * (1.0f / 12.92f), square * fifth_root(square));
}

template <class Work>
static inline void each(const float* in, float* out, int64_t count, Work work) {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(out + i, work(load<Floats>(in + i)));
    if (i == count) return;
    Floats rest = {};
    memcpy(&rest, in + i, (count - i) * sizeof(float));
    rest = work(rest);
    memcpy(out + i, &rest, (count - i) * sizeof(float));
}

// The linear light of display-encoded values.
EXPORT void diffbmp_decode(const float* in, float* out, int64_t count) {
    each(in, out, count, [](Floats value) { return decoded(value); });
}

// The display-encoded values of linear light.
EXPORT void diffbmp_encode(const float* in, float* out, int64_t count) {
    each(in, out, count, [](Floats value) {
        Floats slope;
        return encoded(value, slope);
    });
}

// The linear light of values 0, 1 / steps, 2 / steps ..., computed in double precision.
EXPORT void diffbmp_decode_table(float* out, int64_t count, int64_t steps) {
    for (int64_t i = 0; i < count; ++i) {
        const double value = (double)i / (double)steps, base = (value + 0.055) / 1.055, square = base * base;
        double root = fifth_root(splat((float)square))[0];
        for (int k = 0; k < 2; ++k) {
            const double fourth = root * root * root * root;
            root -= (fourth * root - square) / (5.0 * fourth);
        }
        out[i] = (float)(value <= 0.04045 ? value / 12.92 : square * root);
    }
}
