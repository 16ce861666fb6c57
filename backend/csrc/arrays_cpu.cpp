// Elementary functions of arrays, with the same bits on every processor; and a Hilbert curve.
#include "elementary.h"
#include "scene.h"

EXPORT void diffbmp_exp(const float* in, float* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = exp_of(in[i]);
}

EXPORT void diffbmp_log(const float* in, float* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = log_of(in[i]);
}

EXPORT void diffbmp_power(const float* in, float exponent, float* out, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = power(in[i], exponent);
}

EXPORT void diffbmp_sine_cosine(const float* in, float* sines, float* cosines, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        double sine, cosine;
        sine_cosine(in[i], sine, cosine);
        sines[i] = (float)sine;
        cosines[i] = (float)cosine;
    }
}

namespace {

struct Raster {
    int64_t height, width;
    int64_t* next;  // the index of the next pixel of the curve goes here
};

// A direction on a raster: one step right, left, down or up.
struct Way {
    int64_t x, y;

    Way operator-() const {
        return {-x, -y};
    }
};

// Visits a square of side x side px from its corner (x, y) along u, and across along v; it ends at the other end of u.
void visit(Raster& raster, int64_t x, int64_t y, int64_t side, Way u, Way v) {
    const int64_t far_x = x + (side - 1) * (u.x + v.x), far_y = y + (side - 1) * (u.y + v.y);
    if ((x < far_x ? x : far_x) >= raster.width || (y < far_y ? y : far_y) >= raster.height) return;
    if (side == 1) {
        *raster.next++ = y * raster.width + x;
        return;
    }
    const int64_t half = side / 2, end = side - 1;
    visit(raster, x, y, half, v, u);
    visit(raster, x + half * v.x, y + half * v.y, half, u, v);
    visit(raster, x + half * (u.x + v.x), y + half * (u.y + v.y), half, u, v);
    visit(raster, x + end * u.x + (half - 1) * v.x, y + end * u.y + (half - 1) * v.y, half, -v, -u);
}

}  // namespace

// Writes the indices of a raster's pixels [height * width] in the order of a Hilbert curve over its square.
EXPORT void diffbmp_hilbert_order(int64_t* order, int64_t height, int64_t width) {
    int64_t side = 1;
    while (side < height || side < width) side *= 2;
    Raster raster{height, width, order};
    visit(raster, 0, 0, side, Way{1, 0}, Way{0, 1});
}
