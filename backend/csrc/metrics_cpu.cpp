// The similarity of two pictures, row by row: the same sums however a picture is cut into strips.
#include "scene.h"

constexpr int kTaps = 11;                     // the window of Wang et al. (2004)
constexpr int kColumns = 256;                 // at a time, which stay in the cache
constexpr int kBlock = kColumns - kTaps + 1;  // windows
constexpr float kC1 = 1e-4f, kC2 = 9e-4f;

static inline float inside(float value) {
    return value < 0.0f ? 0.0f : (value > 1.0f ? 1.0f : value);
}

// Adds the squared errors of each row to sums[row]: the mean over channels, times the weight if there is one.
// planes: [3, plane] of which [rows, width] are compared. The image is clamped to [0, 1].
EXPORT void diffbmp_errors(const float* image, const float* target, const float* weight, double* sums, int64_t rows,
                           int64_t width, int64_t image_plane, int64_t target_plane) {
    for (int64_t y = 0; y < rows; ++y) {
        double total = 0.0;
        for (int64_t x = 0; x < width; ++x) {
            const int64_t i = y * width + x;
            float error = 0.0f;
            for (int channel = 0; channel < 3; ++channel) {
                const float difference = inside(image[channel * image_plane + i]) - target[channel * target_plane + i];
                error += difference * difference;
            }
            total += (double)error * (weight ? (double)weight[i] : 1.0);
        }
        sums[y] += total / 3.0;
    }
}

static inline Float16 inside(Float16 value) {
    return value < 0.0f ? Float16{} : (value > 1.0f ? splat(1.0f) : value);
}

// WindowMoments of two planes: values, squares, product.
struct WindowMoments {
    float values[5][kColumns + kLanes];
};

static void add_columns(const float* image, const float* target, const float* window, int64_t stride, int count,
                        WindowMoments& m) {
    for (int x = 0; x < count; x += kLanes) {
        const int columns = count - x < kLanes ? count - x : kLanes;
        Float16 sums[5] = {};
        for (int k = 0; k < kTaps; ++k) {
            const Float16 a = inside(load(image + k * stride + x, columns));
            const Float16 b = load(target + k * stride + x, columns), shared_a = window[k] * a,
                          shared_b = window[k] * b;
            sums[0] += shared_a;
            sums[1] += shared_b;
            sums[2] += shared_a * a;
            sums[3] += shared_b * b;
            sums[4] += shared_a * b;
        }
        for (int kind = 0; kind < 5; ++kind) store(m.values[kind] + x, sums[kind], kLanes);
    }
}

static void add_rows(const WindowMoments& columns, const float* window, int count, WindowMoments& m) {
    for (int kind = 0; kind < 5; ++kind)
        for (int x = 0; x < count; x += kLanes) {
            Float16 sum{};
            for (int k = 0; k < kTaps; ++k) sum += window[k] * load(columns.values[kind] + x + k, kLanes);
            store(m.values[kind] + x, sum, kLanes);
        }
}

// Adds the similarity of each row of windows to sums[row], for one channel; weight: of each window's middle, or null.
// image, target: [rows + 10, width].
EXPORT void diffbmp_similarity(const float* image, const float* target, const float* weight, const float* window,
                               double* sums, int64_t rows, int64_t width, int64_t weight_stride) {
    static_assert(kTaps - 1 <= kLanes, "what lies behind a block's last window is read, and not used");
    for (int64_t left = 0; left + kTaps <= width; left += kBlock) {
        const int64_t rest = width - left - (kTaps - 1);
        const int count = rest < kBlock ? (int)rest : kBlock;
        for (int64_t y = 0; y < rows; ++y) {
            WindowMoments columns, m;
            add_columns(image + y * width + left, target + y * width + left, window, width, count + kTaps - 1, columns);
            add_rows(columns, window, count, m);
            float similarity[kBlock];
            for (int x = 0; x < count; ++x) {
                const float a = m.values[0][x], b = m.values[1][x];
                const float aa = a * a, bb = b * b, ab = a * b;
                const float variances = (m.values[2][x] - aa) + (m.values[3][x] - bb);
                similarity[x] =
                    (2.0f * ab + kC1) * (2.0f * (m.values[4][x] - ab) + kC2) / ((aa + bb + kC1) * (variances + kC2));
            }
            double total = 0.0;
            for (int x = 0; x < count; ++x)
                total += (double)similarity[x] * (weight ? (double)weight[y * weight_stride + left + x] : 1.0);
            sums[y] += total;
        }
    }
}
