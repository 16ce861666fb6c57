// Runs CUDA kernels on a CPU, for tests of their numerics: the threads of a block are fibers that yield at barriers,
// shuffles and votes; blocks run in sequence, in a shuffled order.
//
// Stricter than a card: lanes of a warp in different operations, or after some have ended, are an error.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __CUDACC__ 1
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

struct Dimensions {
    int x;
};
static Dimensions threadIdx, blockIdx, blockDim;

namespace emulation {

enum State { kReady, kAtWarp, kAtBlock, kDone };
constexpr int kMaxThreads = 1024, kLanes = 32, kStack = 64 * 1024;

struct Fiber {
    ucontext_t context;
    jmp_buf resume;
    bool started;
    State state;
    const char* operation;  // in which it waits
    int turn;               // parity of its warp's operations: the half of the exchange to use
    char stack[kStack];
};

static Fiber* fibers = nullptr;
static int current;
static jmp_buf scheduler;
static uint64_t exchange[2][kMaxThreads];
static void (*kernel)(const void*);
static const void* argument;

static void fail(const char* what) {
    fprintf(stderr, "CUDA emulation: %s (block %d, thread %d)\n", what, blockIdx.x, current);
    abort();
}

static void give_way(State state, const char* operation) {
    fibers[current].state = state;
    fibers[current].operation = operation;
    if (!_setjmp(fibers[current].resume)) _longjmp(scheduler, 1);
}

// The values of all lanes for one operation, once all are there.
static uint64_t* exchanged(uint64_t value, const char* operation) {
    Fiber& own = fibers[current];
    own.turn ^= 1;
    uint64_t* half = exchange[own.turn];
    half[current] = value;
    give_way(kAtWarp, operation);
    return half + current / kLanes * kLanes;
}

static void trampoline() {
    kernel(argument);
    fibers[current].state = kDone;
    _longjmp(scheduler, 1);
}

static void run(int index) {
    Fiber& fiber = fibers[index];
    current = index;
    threadIdx.x = index;
    if (_setjmp(scheduler)) return;
    if (fiber.started) _longjmp(fiber.resume, 1);
    fiber.started = true;
    setcontext(&fiber.context);
}

// Resumes the fibers of [from, to) if all wait in `state`; returns whether it did.
static bool release(int from, int to, State state) {
    int waiting = 0;
    for (int i = from; i < to; ++i) waiting += fibers[i].state == state;
    if (waiting == 0) return false;
    for (int i = from; i < to; ++i) {
        current = i;
        if (state == kAtWarp && fibers[i].state == kAtBlock) fail("a lane is at a barrier, others of its warp are not");
        if (fibers[i].state == kDone) fail("a thread has ended that others wait for");
        if (fibers[i].state != state) return false;
        if (strcmp(fibers[i].operation, fibers[from].operation)) fail("lanes are in different operations");
    }
    for (int i = from; i < to; ++i) fibers[i].state = kReady;
    return true;
}

static void run_block(int threads) {
    for (int i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[i];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack;
        fiber.context.uc_stack.ss_size = kStack;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, trampoline, 0);
        fiber.started = false;
        fiber.state = kReady;
        fiber.turn = 0;
    }
    for (;;) {
        bool progress = false;
        for (int warp = 0; warp < threads; warp += kLanes) {
            do {
                for (int i = warp; i < warp + kLanes; ++i)
                    if (fibers[i].state == kReady) {
                        run(i);
                        progress = true;
                    }
            } while (release(warp, warp + kLanes, kAtWarp));
        }
        if (release(0, threads, kAtBlock)) progress = true;
        if (!progress) break;
    }
    for (int i = 0; i < threads; ++i)
        if (fibers[i].state != kDone) fail("threads wait for each other forever");
}

template <class T>
uint64_t packed(T value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T>
T unpacked(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace emulation

// Runs a kernel: threads must be a multiple of a warp.
extern "C" void emulate(void (*kernel)(const void*), int blocks, int threads, const void* argument) {
    using namespace emulation;
    if (!fibers) fibers = (Fiber*)malloc(sizeof(Fiber) * kMaxThreads);
    if (threads > kMaxThreads || threads % kLanes) fail("no such block");
    emulation::kernel = kernel;
    emulation::argument = argument;
    blockDim.x = threads;
    // An odd step through a power of two of places visits each once.
    int places = 1;
    while (places < blocks) places *= 2;
    for (int i = 0; i < places; ++i) {
        blockIdx.x = (int)((i * 0x9e3779b1u + 77u) & (unsigned)(places - 1));
        if (blockIdx.x < blocks) run_block(threads);
    }
}

static void __syncthreads() {
    emulation::give_way(emulation::kAtBlock, "__syncthreads");
}
static void __syncwarp() {
    emulation::exchanged(0, "__syncwarp");
}
template <class T>
static T __shfl_sync(unsigned, T value, int lane) {
    return emulation::unpacked<T>(emulation::exchanged(emulation::packed(value), "__shfl_sync")[lane]);
}
template <class T>
static T __shfl_xor_sync(unsigned, T value, int mask) {
    const int lane = threadIdx.x % emulation::kLanes;
    return emulation::unpacked<T>(emulation::exchanged(emulation::packed(value), "__shfl_xor_sync")[lane ^ mask]);
}
template <class T>
static T __shfl_up_sync(unsigned, T value, int step) {
    const int lane = threadIdx.x % emulation::kLanes;
    const uint64_t* all = emulation::exchanged(emulation::packed(value), "__shfl_up_sync");
    return emulation::unpacked<T>(all[lane >= step ? lane - step : lane]);
}
static unsigned __ballot_sync(unsigned, int predicate) {
    const uint64_t* all = emulation::exchanged(predicate != 0, "__ballot_sync");
    unsigned votes = 0;
    for (int lane = 0; lane < emulation::kLanes; ++lane) votes |= (unsigned)all[lane] << lane;
    return votes;
}
static float atomicAdd(float* to, float value) {
    const float before = *to;
    *to += value;
    return before;
}
template <class T>
static T __ldg(const T* from) {
    return *from;
}
static int __popc(unsigned value) {
    return __builtin_popcount(value);
}
static float __uint_as_float(uint32_t bits) {
    return emulation::unpacked<float>(bits);
}
static int32_t __float_as_int(float value) {
    return (int32_t)emulation::packed(value);
}
static uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
    const uint64_t bytes = (uint64_t)high << 32 | low;
    uint32_t result = 0;
    for (int i = 0; i < 4; ++i) result |= (uint32_t)(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
    return result;
}
static float __fadd_rd(float a, float b) {
    const double exact = (double)a + (double)b;
    const float nearest = (float)exact;
    return nearest > exact ? nextafterf(nearest, -INFINITY) : nearest;
}
template <class T>
static T min(T a, T b) {
    return a < b ? a : b;
}
template <class T>
static T max(T a, T b) {
    return a > b ? a : b;
}
