// Elementary functions of our own, by addition, multiplication and division alone: the same bits on every processor.
//
// No product is fused with a sum here (NVRTC alone may do so), so that processors without such an instruction agree.
// All compute in doubles; the functions of floats round once, to within 0.5001 units in the last place.
#pragma once
#if defined(__CUDACC_RTC__)  // NVRTC has mathematics built in, and no headers
typedef unsigned char uint8_t;
typedef short int16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
#else
#include <math.h>
#include <stdint.h>
#include <string.h>
#endif

#if defined(__CUDACC__)
#define DEVICE_INLINE __host__ __device__ __forceinline__
#else
#define DEVICE_INLINE inline
#endif

#if defined(__clang__)
#define UNFUSED _Pragma("clang fp contract(off)")  // the first statement of a function
#else
#define UNFUSED
#endif

namespace elementary {

constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52: a sum with it is rounded to a whole number

DEVICE_INLINE uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

DEVICE_INLINE double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// 2^exponent to within 3e-13 of itself; beyond -160..160, the power of that limit. NaN stays.
DEVICE_INLINE double exp2_of(double exponent) {
    UNFUSED
    exponent = exponent > 160.0 ? 160.0 : exponent;
    exponent = exponent < -160.0 ? -160.0 : exponent;
    const double shifted = exponent + kRounder;
    const double x = (exponent - (shifted - kRounder)) * 0.693147180559945309;  // at most ln(2) / 2
    double sum = 1.0 / 3628800.0;
    sum = sum * x + 1.0 / 362880.0;
    sum = sum * x + 1.0 / 40320.0;
    sum = sum * x + 1.0 / 5040.0;
    sum = sum * x + 1.0 / 720.0;
    sum = sum * x + 1.0 / 120.0;
    sum = sum * x + 1.0 / 24.0;
    sum = sum * x + 1.0 / 6.0;
    sum = sum * x + 0.5;
    sum = sum * x + 1.0;
    sum = sum * x + 1.0;
    return sum * from_bits((bits_of(shifted) + 1023u) << 52);
}

}  // namespace elementary

// The logarithm to the base 2 of a normal number, to within 1e-15 of itself. 0 gives -infinity, less gives NaN.
DEVICE_INLINE double log2_of(double value) {
    UNFUSED
    using namespace elementary;
    // Numbers of 0.75 to 1.5 have the exponent 0, so that nothing cancels near 1.
    const uint64_t bits = bits_of(value) - 0x3fe8000000000000u;
    const double mantissa = from_bits((bits & 0x000fffffffffffffu) + 0x3fe8000000000000u);
    // The signed exponent, as a whole number in the mantissa of kRounder.
    const double exponent = from_bits(0x4338000000000000u + (bits >> 52) - (bits >> 63 << 12)) - kRounder;
    // ln(m) = 2 artanh(s), |s| <= 1/5.
    const double s = (mantissa - 1.0) / (mantissa + 1.0), z = s * s;
    double sum = 1.0 / 25.0;
    sum = sum * z + 1.0 / 23.0;
    sum = sum * z + 1.0 / 21.0;
    sum = sum * z + 1.0 / 19.0;
    sum = sum * z + 1.0 / 17.0;
    sum = sum * z + 1.0 / 15.0;
    sum = sum * z + 1.0 / 13.0;
    sum = sum * z + 1.0 / 11.0;
    sum = sum * z + 1.0 / 9.0;
    sum = sum * z + 1.0 / 7.0;
    sum = sum * z + 1.0 / 5.0;
    sum = sum * z + 1.0 / 3.0;
    sum = sum * z + 1.0;
    const double result = exponent + sum * s * 2.88539008177792681;  // 2 / ln(2)
    if (!(value > 0.0)) return value == 0.0 ? -(double)INFINITY : value - value + from_bits(0x7ff8000000000000u);
    return value <= 1.7976931348623157e308 ? result : value;
}

DEVICE_INLINE float exp_of(float value) {
    UNFUSED
    return (float)elementary::exp2_of((double)value * 1.44269504088896341);
}

// The natural logarithm. 0 gives -infinity, less gives NaN.
DEVICE_INLINE float log_of(float value) {
    UNFUSED
    return (float)(log2_of((double)value) * 0.693147180559945309);
}

// base^exponent for base >= 0.
DEVICE_INLINE float power(float base, float exponent) {
    UNFUSED
    return (float)elementary::exp2_of((double)exponent * log2_of((double)base));
}

// Sine and cosine, to within 1e-15 for angles up to a million. Beyond, some angle's; NaN and infinity give NaN.
DEVICE_INLINE void sine_cosine(double angle, double& sine, double& cosine) {
    UNFUSED
    using namespace elementary;
    const double shifted = angle * 0.636619772367581343 + kRounder, quarter = shifted - kRounder;
    // pi / 2 in three parts; the products with the first two are exact.
    double x = angle - quarter * 1.57079632673412561417;
    x -= quarter * 6.07710050630396597660e-11;
    x -= quarter * 2.02226624879595063154e-21;
    x = x > 0.7854 ? 0.7854 : x;
    x = x < -0.7854 ? -0.7854 : x;
    const double z = x * x;
    double s = 1.0 / 355687428096000.0;
    s = s * z - 1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    s = s * z * x + x;
    double c = 1.0 / 20922789888000.0;
    c = c * z - 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z - 0.5;
    c = c * z + 1.0;
    const uint32_t turns = (uint32_t)bits_of(shifted);
    sine = turns & 1u ? c : s;
    cosine = turns & 1u ? s : c;
    if (turns & 2u) sine = -sine;
    if ((turns + 1u) & 2u) cosine = -cosine;
}

// The angle of (x, y) from the x axis, -pi to pi, of finite numbers; 0 for (0, 0).
DEVICE_INLINE float arc_tangent(float y, float x) {
    UNFUSED
    const double width = fabs((double)x), height = fabs((double)y);
    const double small = width < height ? width : height, large = width < height ? height : width;
    double t = large > 0.0 ? small / large : 0.0, from = 0.0;
    if (t > 0.4142) {  // tan(pi / 8)
        from = 0.785398163397448310;
        t = (t - 1.0) / (t + 1.0);
    }
    const double z = t * t;
    double sum = 1.0 / 25.0;
    sum = 1.0 / 23.0 - sum * z;
    sum = 1.0 / 21.0 - sum * z;
    sum = 1.0 / 19.0 - sum * z;
    sum = 1.0 / 17.0 - sum * z;
    sum = 1.0 / 15.0 - sum * z;
    sum = 1.0 / 13.0 - sum * z;
    sum = 1.0 / 11.0 - sum * z;
    sum = 1.0 / 9.0 - sum * z;
    sum = 1.0 / 7.0 - sum * z;
    sum = 1.0 / 5.0 - sum * z;
    sum = 1.0 / 3.0 - sum * z;
    sum = 1.0 - sum * z;
    double angle = from + sum * t;
    if (width < height) angle = 1.57079632679489662 - angle;
    if (x < 0.0f) angle = 3.14159265358979324 - angle;
    return (float)copysign(angle, (double)y);
}
