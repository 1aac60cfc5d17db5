// What CUDA provides to a kernel, for the processor: the same source then compiles as C++, and `KERNEL` adds an entry point
// that runs every thread of the grid in turn.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

struct Index {
    unsigned x, y, z;
};

static thread_local Index blockIdx, blockDim, gridDim, threadIdx;

#define __device__
#define __constant__
#define __forceinline__ inline
#define __grid_constant__

struct uint4 {
    unsigned x, y, z, w;
} __attribute__((aligned(16)));

struct uint2 {
    unsigned x, y;
} __attribute__((aligned(8)));

static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

template <class T>
static inline T __ldg(const T* from) {
    // the processor refuses vectors that are not aligned only sometimes, a GPU always
    if (reinterpret_cast<std::uintptr_t>(from) % alignof(T) != 0) {
        __builtin_trap();
    }
    return *from;
}

// Threads run one after the other: only what is the same for all of a warp may be asked of its first.
static inline unsigned __shfl_sync(unsigned, unsigned value, int) { return value; }

template <class To, class From>
static inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

static inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
static inline float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
static inline unsigned __float_as_uint(float value) { return same_bits<unsigned>(value); }
static inline int __double2loint(double value) { return static_cast<int>(same_bits<std::uint64_t>(value)); }
static inline int __double2hiint(double value) { return static_cast<int>(same_bits<std::uint64_t>(value) >> 32); }

static inline double __hiloint2double(int high, int low) {
    return same_bits<double>(static_cast<std::uint64_t>(static_cast<unsigned>(high)) << 32 | static_cast<unsigned>(low));
}

using std::exp;
using std::fabs;
using std::sqrt;
using std::tanh;

template <class T>
static inline T normcdf(T x) {
    return T(0.5) * std::erfc(-x * T(0.70710678118654752));
}

static inline float half_to_float(unsigned short bits) { return static_cast<float>(same_bits<_Float16>(bits)); }

static inline unsigned short float_to_half(float value) {
    return same_bits<unsigned short>(static_cast<_Float16>(value));
}

#define KERNEL(name, ...)                                                                           \
    static void name##_thread(const Parameters& p);                                                 \
    extern "C" void name(const unsigned* shape, void** arguments) {                                 \
        const Parameters& p = *static_cast<const Parameters*>(arguments[0]);                        \
        gridDim = {shape[0], shape[1], shape[2]};                                                   \
        blockDim = {shape[3], shape[4], shape[5]};                                                  \
        const unsigned bounds[] = {__VA_ARGS__};                                                    \
        if (blockDim.x != bounds[0]) {                                                              \
            __builtin_trap();                                                                       \
        }                                                                                           \
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {                                \
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {                            \
                for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) {                    \
                    name##_thread(p);                                                               \
                }                                                                                   \
            }                                                                                       \
        }                                                                                           \
    }                                                                                               \
    static void name##_thread(const Parameters& p)
