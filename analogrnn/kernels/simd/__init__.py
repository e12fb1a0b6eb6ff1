"""Vector lanes for numba, and the compilation of kernels that use them."""
