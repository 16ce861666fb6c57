// The noise canvas as a plane; and the elementary functions, for tests and for Python.
#include "noise.h"
#include "scene.h"

// Fills a plane [3, height, width] with the noise that a step with this key sees as its background.
// decode: the table of Scene; null where light is not composited.
EXPORT void diffbmp_noise(float* plane, int32_t height, int32_t width, uint32_t key, float contrast,
                          const float* decode) {
    const int64_t pixels = (int64_t)height * width;
    for (int64_t at = 0; at < pixels; at += kLanes) {
        const int columns = pixels - at < kLanes ? (int)(pixels - at) : kLanes;
        const Uints bits = noise_bits_from((uint32_t)at, key);
        for (int c = 0; c < 3; ++c) store(plane + c * pixels + at, noise_of(bits, c, contrast, decode), columns);
    }
}

enum Function : int32_t { kExp, kLog, kLog2, kSine, kCosine, kArcTangent, kPower };

// to[i] = function(a[i]), or of a[i] and b[i]. Functions of floats take doubles that hold floats.
EXPORT void diffbmp_elementary(int32_t function, const double* a, const double* b, double* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        double sine, cosine;
        switch (function) {
            case kExp:
                to[i] = exp_of((float)a[i]);
                break;
            case kLog:
                to[i] = log_of((float)a[i]);
                break;
            case kLog2:
                to[i] = log2_of(a[i]);
                break;
            case kSine:
                sine_cosine(a[i], to[i], cosine);
                break;
            case kCosine:
                sine_cosine(a[i], sine, to[i]);
                break;
            case kArcTangent:
                to[i] = arc_tangent((float)a[i], (float)b[i]);
                break;
            case kPower:
                to[i] = power((float)a[i], (float)b[i]);
                break;
        }
    }
}
