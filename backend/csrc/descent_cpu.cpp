// The descent on the variables of a fit, for the host.
#include "descent.h"
#include "scene.h"

// Makes params and encoded from the variables, and chooses levels. Returns how many primitives miss theirs: add those
// levels and call this again.
EXPORT int64_t diffbmp_show(const Descent* descent) {
    int64_t missing = 0;
    for (int64_t i = 0; i < descent->count; ++i) missing += !show(*descent, i);
    return missing;
}

// Makes a step of Adam by the gradient of params. Call diffbmp_show before.
EXPORT void diffbmp_descend(const Descent* descent) {
    Correction correction = {};
    for (int64_t i = 0; i < descent->count; ++i) descend(*descent, i, correction);
}

// The levels [count, 2] of primitives for Templates.choose_levels. facts [count, 3]: of the template of each one.
EXPORT void diffbmp_choose_levels(const int32_t* facts, const float* scale, const float* aspect, int64_t count,
                                  float bias, int64_t* level) {
    for (int64_t i = 0; i < count; ++i) {
        int own[2];
        finest_levels(facts + 3 * i, scale[i], aspect[i], bias, own);
        level[2 * i] = own[0];
        level[2 * i + 1] = own[1];
    }
}

// The derivatives of the linear light of encoded values.
EXPORT void diffbmp_decoding_slope(const float* encoded, float* slope, int64_t count) {
    for (int64_t i = 0; i < count; ++i) decoded(encoded[i], slope[i]);
}
