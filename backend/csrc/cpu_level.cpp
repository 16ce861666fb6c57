// The x86-64 micro-architecture level of this processor and system: 2, 3 (AVX2) or 4 (AVX-512).
#include <stdint.h>

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

#if defined(__x86_64__)
struct Registers {
    uint32_t a, b, c, d;
};

static Registers cpuid(uint32_t leaf) {
    Registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

static bool all(uint32_t value, uint32_t bits) {
    return (value & bits) == bits;
}

EXPORT int32_t diffbmp_cpu_level() {
    if (cpuid(0).a < 7) return 2;
    const Registers basic = cpuid(1), extended = cpuid(7);
    // FMA, MOVBE, OSXSAVE, AVX, F16C
    if (!all(basic.c, 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29)) return 2;
    uint32_t saved, high;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    // The system saves the AVX registers; BMI1, AVX2, BMI2, and LZCNT.
    if (!all(saved, 0x6) || !all(extended.b, 1u << 3 | 1u << 5 | 1u << 8)) return 2;
    if (cpuid(0x80000000).a < 0x80000001 || !all(cpuid(0x80000001).c, 1u << 5)) return 2;
    // The system saves the AVX-512 registers; AVX-512 F, DQ, CD, BW, VL.
    if (!all(saved, 0xe6) || !all(extended.b, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31)) return 3;
    return 4;
}
#else
EXPORT int32_t diffbmp_cpu_level() {
    return 0;
}
#endif
