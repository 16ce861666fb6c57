// Directions of a target's edges and of stamps: see fitting/default/orientation.py.
#include "elementary.h"
#include "scene.h"

// The products [3, height, width] xx, xy, yy of a plane's central differences, which are 0 at the ends of a row or
// column.
EXPORT void diffbmp_slope_products(const float* plane, int64_t height, int64_t width, float* products) {
    const int64_t pixels = height * width;
    for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
            const int64_t at = y * width + x;
            const bool inside_x = x > 0 && x < width - 1, inside_y = y > 0 && y < height - 1;
            const float right = inside_x ? 0.5f * (plane[at + 1] - plane[at - 1]) : 0.0f;
            const float down = inside_y ? 0.5f * (plane[at + width] - plane[at - width]) : 0.0f;
            products[at] = right * right;
            products[pixels + at] = right * down;
            products[2 * pixels + at] = down * down;
        }
}

// The direction of a stamp's longer axis by the second moments of alpha [height, width], radians from its u axis.
EXPORT float diffbmp_long_axis(const uint8_t* plane, int64_t height, int64_t width) {
    double total = 0.0, u = 0.0, v = 0.0, uu = 0.0, uv = 0.0, vv = 0.0;
    for (int64_t row = 0; row < height; ++row) {
        int64_t sum = 0, first = 0, second = 0;
        for (int64_t column = 0; column < width; ++column) {
            const int64_t alpha = plane[row * width + column];
            sum += alpha;
            first += alpha * column;
            second += alpha * column * column;
        }
        total += (double)sum;
        u += (double)first;
        v += (double)row * (double)sum;
        uu += (double)second;
        uv += (double)row * (double)first;
        vv += (double)row * (double)row * (double)sum;
    }
    uu -= u * u / total;
    uv -= u * v / total;
    vv -= v * v / total;
    const double across = uu - vv, along = 2.0 * uv;
    // Nearly round, or invisible: any direction is equally good, so take the one without rounding.
    if (!(sqrt(across * across + along * along) >= 0.01 * (uu + vv))) return 0.0f;
    return 0.5f * arc_tangent((float)along, (float)across);
}
