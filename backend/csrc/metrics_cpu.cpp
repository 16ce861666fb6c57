// The similarity of two pictures, row by row: the same sums however a picture is cut into strips.
#include "scene.h"

constexpr int kTaps = 11, kBlock = 256;  // the window of Wang et al. (2004); columns at a time, which stay in the cache
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

// A few values at a time: the moments of two planes there fit into the registers.
typedef float Vector __attribute__((vector_size(32)));
constexpr int kVector = 8, kRow = kBlock + 16;
static_assert(kTaps - 1 <= 16, "a row has room for the border");

static inline Vector vector_at(const float* from) {
    Vector value;
    memcpy(&value, from, sizeof(value));
    return value;
}

// The rows of both planes below a row of windows, in a ring; 0 behind the picture.
struct Rows {
    float image[kTaps][kRow], target[kTaps][kRow];
};

// The sums over the windows' columns: of values, squares and the product.
struct Columns {
    float moments[5][kRow + kVector];
};

static void take_row(const float* image, const float* target, int slot, int count, Rows& rows) {
    for (int x = 0; x < count; ++x) rows.image[slot][x] = inside(image[x]);
    memcpy(rows.target[slot], target, count * sizeof(float));
}

static void add_columns(const Rows& rows, int first, const float* window, Columns& columns) {
    for (int x = 0; x < kRow; x += kVector) {
        Vector sums[5] = {};
        for (int k = 0, slot = first; k < kTaps; ++k, slot = slot + 1 == kTaps ? 0 : slot + 1) {
            const Vector a = vector_at(rows.image[slot] + x), b = vector_at(rows.target[slot] + x);
            const Vector shared_a = window[k] * a, shared_b = window[k] * b;
            sums[0] += shared_a;
            sums[1] += shared_b;
            sums[2] += shared_a * a;
            sums[3] += shared_b * b;
            sums[4] += shared_a * b;
        }
        for (int kind = 0; kind < 5; ++kind) memcpy(columns.moments[kind] + x, &sums[kind], sizeof(Vector));
    }
}

// The similarity of the windows from column x on.
static inline Vector similarity_at(const Columns& columns, const float* window, int x) {
    Vector sums[5] = {};
    for (int k = 0; k < kTaps; ++k)
        for (int kind = 0; kind < 5; ++kind) sums[kind] += window[k] * vector_at(columns.moments[kind] + x + k);
    const Vector a = sums[0], b = sums[1], aa = a * a, bb = b * b, ab = a * b;
    const Vector variances = (sums[2] - aa) + (sums[3] - bb);
    return (2.0f * ab + kC1) * (2.0f * (sums[4] - ab) + kC2) / ((aa + bb + kC1) * (variances + kC2));
}

// Adds the similarity of each row of windows to sums[row], for one channel; weight: of each window's middle, or null.
// image, target: [rows + 10, width].
EXPORT void diffbmp_similarity(const float* image, const float* target, const float* weight, const float* window,
                               double* sums, int64_t rows, int64_t width, int64_t weight_stride) {
    for (int64_t left = 0; left + kTaps <= width; left += kBlock) {
        const int64_t rest = width - left - (kTaps - 1);
        const int count = rest < kBlock ? (int)rest : kBlock;
        Rows taken = {};
        Columns columns = {};
        for (int64_t row = 0; row < rows + kTaps - 1; ++row) {
            const int64_t at = row * width + left, y = row - (kTaps - 1);
            take_row(image + at, target + at, (int)(row % kTaps), count + kTaps - 1, taken);
            if (y < 0) continue;
            add_columns(taken, (int)(y % kTaps), window, columns);
            float similarity[kBlock];
            for (int x = 0; x < count; x += kVector) {
                const Vector some = similarity_at(columns, window, x);
                memcpy(similarity + x, &some, sizeof(some));
            }
            double total = 0.0;
            for (int x = 0; x < count; ++x)
                total += (double)similarity[x] * (weight ? (double)weight[y * weight_stride + left + x] : 1.0);
            sums[y] += total;
        }
    }
}
