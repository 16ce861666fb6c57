"""The CUDA engine: backend/csrc/raster_cuda.cu on one card."""
