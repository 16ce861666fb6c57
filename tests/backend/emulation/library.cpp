// The CUDA engine's kernels for the CPU.
#include "emulation.h"
// The unchanged source, after the emulation of CUDA.
#include "../../../backend/csrc/raster_cuda.cu"
