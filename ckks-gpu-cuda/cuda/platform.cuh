// What the kernels use of CUDA. The same sources are compiled by NVRTC for cards and, for tests, by the
// host's C++ compiler (executor/executor.h gives the same names).
#pragma once

#ifdef __CUDACC_RTC__

typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#define DEVICE __device__ __forceinline__

// A kernel with C linkage: at most `threads` threads a block; `call` is its body.
#define KERNEL(name, threads, parameters, call)                                                    \
    extern "C" __global__ void __launch_bounds__(threads) name parameters { call; }

DEVICE void barrier() { __syncthreads(); }

// The shared memory of a block as words.
template <class W> struct Shared {
    W *words;
    DEVICE W get(u32 i) const { return words[i]; }
    DEVICE void set(u32 i, W value) const { words[i] = value; }
};

template <class W> DEVICE Shared<W> shared_words() {
    extern __shared__ u64 shared_memory[];
    return {reinterpret_cast<W *>(shared_memory)};
}

// c += a b for tiles of signed bytes, 16 by 32 times 32 by 8, spread over a warp: with g = lane / 4 and
// j = lane % 4, register r of a holds row g + 8 (r % 2), columns 4 j + 16 (r / 2) on; register r of b rows
// 4 j + 16 r on of column g; word r of c row g + 8 (r / 2), column 2 j + r % 2, as the PTX manual says
// of mma.m16n8k32.
DEVICE void multiply_tiles(i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// c += a b for tiles of doubles, 8 by 4 times 4 by 8: a of lane l is row l / 4, column l % 4, b row l % 4 of
// column l / 4; word e of c row l / 4, column 2 (l % 4) + e, as the manual says of mma.m8n8k4.
DEVICE void multiply_tiles(double (&c)[2], double a, double b) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+d"(c[0]), "+d"(c[1])
                 : "d"(a), "d"(b));
}

#else
#include "executor.h"
#endif

// A kernel for both words: `name_u32` and `name_u64`. In the body `W` is the word.
#define BOTH_WORDS(MACRO)                                                                          \
    MACRO(u32, u32)                                                                                \
    MACRO(u64, u64)

DEVICE u32 thread_in_block() { return threadIdx.x; }

// Position of a thread among all of the grid's first axis, and their number.
DEVICE u32 thread_in_grid() { return blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE u32 threads_in_grid() { return gridDim.x * blockDim.x; }
