// The CUDA engine's kernels for the CPU.
#include "emulation.h"
// The source as it is, after what stands for CUDA.
#include "../../../backend/csrc/raster_cuda.cu"
