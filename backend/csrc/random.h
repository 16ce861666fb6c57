// Random numbers by counting: the same as those of backend/fitting/random.py.
#pragma once
#include <stdint.h>

#include "elementary.h"

// A stream of numbers; each draw advances the counter.
struct Random {
    uint64_t key;
    int64_t counter;
};

static inline uint64_t random_bits(uint64_t key, int64_t index) {
    uint64_t bits = key + (uint64_t)(index + 1) * 0x9E3779B97F4A7C15u;
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
    return bits ^ (bits >> 31);
}

// From [0, 1), in steps of 2^-24.
static inline float uniform(Random& random) {
    return (float)(random_bits(random.key, random.counter++) >> 40) * 0x1p-24f;
}

// From [0, 1), in steps of 2^-53.
static inline double uniform64(Random& random) {
    return (double)(random_bits(random.key, random.counter++) >> 11) * 0x1p-53;
}

// Two independent numbers of the standard normal distribution, by two uniform ones (Box and Muller, 1958).
static inline void normals(Random& random, float& one, float& other) {
    const float distance = sqrtf(-2.0f * log_of(1.0f - uniform(random)));
    double sine, cosine;
    sine_cosine(6.283185307179586 * uniform(random), sine, cosine);
    one = distance * (float)cosine;
    other = distance * (float)sine;
}
