// A CUDA driver for tests without a card: one device with the host's memory and the kernels of the emulation's library,
// whatever machine code is loaded. It has the functions that cuda.core calls to load and launch kernels.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIVER extern "C" int

struct LaunchConfig {
    unsigned grid[3], block[3], shared_bytes;
    void *stream, *attributes;
    unsigned attribute_count;
};

static void* const kContext = (void*)"context";
static void* const kLibrary = (void*)"library";
static thread_local void* current;  // context
static void* kernels;               // the emulation's library

DRIVER cuInit(unsigned) {
    return 0;
}
DRIVER cuDriverGetVersion(int* version) {
    *version = 13000;
    return 0;
}
DRIVER cuDeviceGetCount(int* count) {
    *count = 1;
    return 0;
}
DRIVER cuDeviceGet(int* device, int index) {
    *device = index;
    return 0;
}
DRIVER cuDeviceGetAttribute(int* value, int, int) {
    *value = 1;
    return 0;
}
DRIVER cuDevicePrimaryCtxRetain(void** context, int) {
    *context = kContext;
    return 0;
}
DRIVER cuDevicePrimaryCtxRelease_v2(int) {
    return 0;
}
DRIVER cuCtxGetCurrent(void** context) {
    *context = current;
    return 0;
}
DRIVER cuCtxSetCurrent(void* context) {
    current = context;
    return 0;
}
DRIVER cuCtxGetDevice(int* device) {
    *device = 0;
    return current ? 0 : 201;  // CUDA_ERROR_INVALID_CONTEXT
}
DRIVER cuStreamGetCtx(void*, void** context) {
    *context = kContext;
    return 0;
}
DRIVER cuGetErrorName(int, const char** name) {
    *name = "an error of the tests' driver";
    return 0;
}
DRIVER cuGetErrorString(int, const char** text) {
    *text = "an error of the tests' driver";
    return 0;
}
DRIVER cuLibraryLoadData(void** library, const void* code, void*, void*, unsigned, void*, void*, unsigned) {
    if (memcmp(code, "\177ELF", 4)) return 200;  // CUDA_ERROR_INVALID_IMAGE
    kernels = dlopen(getenv("EMULATED_KERNELS"), RTLD_NOW);
    *library = kLibrary;
    return kernels ? 0 : 200;
}
DRIVER cuLibraryUnload(void*) {
    return 0;
}
DRIVER cuLibraryGetKernel(void** kernel, void*, const char* name) {
    *kernel = dlsym(kernels, name);
    return *kernel ? 0 : 500;  // CUDA_ERROR_NOT_FOUND
}
DRIVER cuLaunchKernelEx(const LaunchConfig* config, void* kernel, void** arguments, void**) {
    if (!current) return 201;
    fprintf(stderr, "launch on stream %p\n", config->stream);
    auto emulate = (void (*)(void*, int, int, const void*))dlsym(kernels, "emulate");
    emulate(kernel, config->grid[0], config->block[0], *(void**)arguments[0]);
    return 0;
}
DRIVER cuLaunchKernel(void* kernel, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared_bytes, void* stream, void** arguments, void** extra) {
    const LaunchConfig config = {{x, y, z}, {bx, by, bz}, shared_bytes, stream, nullptr, 0};
    return cuLaunchKernelEx(&config, kernel, arguments, extra);
}
DRIVER cuGetProcAddress_v2(const char* name, void** address, int, uint64_t, int* status) {
    static void* self = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
    char second[128];
    snprintf(second, sizeof second, "%s_v2", name);
    *address = dlsym(self, second);
    if (!*address) *address = dlsym(self, name);
    if (status) *status = *address ? 0 : 1;
    return *address ? 0 : 500;
}
DRIVER cuGetProcAddress(const char* name, void** address, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, address, version, flags, nullptr);
}
