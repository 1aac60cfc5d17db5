// Common to all kernels: types of storage and arithmetic, loads, stores, and the way from a lane to its memory.

typedef long long i64;
typedef unsigned int u32;

#ifndef KERNEL
#define KERNEL(name, ...) \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__) name(const __grid_constant__ Parameters p)
#endif

#if defined(STORAGE_F64)
typedef double real;
typedef double storage;
#else
typedef float real;
#if defined(STORAGE_F32)
typedef float storage;
#else
typedef unsigned short storage;
#endif
#endif

#define LANE static __device__ __forceinline__

LANE float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
LANE double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }

#if defined(STORAGE_BF16)
LANE real widen(storage value) { return __uint_as_float(static_cast<u32>(value) << 16); }

// rounds to nearest, ties to even
LANE storage narrow(real value) {
    const u32 bits = __float_as_uint(value);
    if (value != value) {
        return static_cast<storage>(bits >> 16 | 0x40);
    }
    return static_cast<storage>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
#elif defined(STORAGE_F16)
#if defined(__CUDA_ARCH__)
LANE real widen(storage value) {
    real wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value));
    return wide;
}

LANE storage narrow(real value) {
    storage bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#else
LANE real widen(storage value) { return half_to_float(value); }
LANE storage narrow(real value) { return float_to_half(value); }
#endif
#else
LANE real widen(storage value) { return value; }
LANE storage narrow(real value) { return value; }
#endif

// A blade of an operand: its number times the bytes of an element, times the elements from one blade to the next.
LANE real element(const storage* from, u32 blade, i64 step) {
    return widen(__ldg(reinterpret_cast<const storage*>(reinterpret_cast<const char*>(from) + blade * step)));
}

// The same for steps of 32 bits. The compiler widens them before loops and then multiplies in 64 bits; told otherwise, it
// finds the one instruction that gives the address.
LANE real element(const storage* from, u32 blade, u32 step) {
#if defined(__CUDA_ARCH__)
    i64 bytes;
    asm("mul.wide.u32 %0, %1, %2;" : "=l"(bytes) : "r"(blade), "r"(step));
#else
    const i64 bytes = static_cast<i64>(blade) * step;
#endif
    return widen(__ldg(reinterpret_cast<const storage*>(reinterpret_cast<const char*>(from) + bytes)));
}

// Blades apart by `step` elements. The pointer moves on so that few addresses are held at a time.
template <int BLADES>
LANE void load(const storage* from, i64 step, real (&to)[BLADES]) {
#pragma unroll
    for (int blade = 0; blade < BLADES; ++blade) {
        to[blade] = widen(__ldg(from));
        from += step;
    }
}

template <int BLADES>
LANE void store(storage* to, i64 step, const real (&from)[BLADES]) {
#pragma unroll
    for (int blade = 0; blade < BLADES; ++blade) {
        *to = narrow(from[blade]);
        to += step;
    }
}

// The place after one. The compiler may not see through it: it would work out the places of hundreds of stores ahead, which
// takes it minutes.
LANE storage* after(storage* place, i64 step) {
    place += step;
#if defined(__CUDA_ARCH__)
    asm("" : "+l"(place));
#endif
    return place;
}

// Lets the compiler take registers for changed: what was computed from them is then computed anew rather than kept.
template <int BLADES>
LANE void renew(real (&values)[BLADES]) {
#if defined(__CUDA_ARCH__)
#pragma unroll
    for (int blade = 0; blade < BLADES; ++blade) {
#if defined(STORAGE_F64)
        asm volatile("" : "+d"(values[blade]));
#else
        asm volatile("" : "+f"(values[blade]));
#endif
    }
#endif
}

#define PER_VECTOR (16 / static_cast<int>(sizeof(storage)))

// Adjacent blades, in vectors of 16 bytes that are aligned to as much.
template <int BLADES>
LANE void load_vectors(const storage* from, real (&to)[BLADES]) {
#pragma unroll
    for (int first = 0; first < BLADES; first += PER_VECTOR) {
        const uint4 vector = __ldg(reinterpret_cast<const uint4*>(from + first));
#if defined(STORAGE_F64)
        to[first] = __hiloint2double(static_cast<int>(vector.y), static_cast<int>(vector.x));
        to[first + 1] = __hiloint2double(static_cast<int>(vector.w), static_cast<int>(vector.z));
#else
        const u32 words[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
        for (int word = 0; word < 4; ++word) {
#if defined(STORAGE_F32)
            to[first + word] = __uint_as_float(words[word]);
#else
            to[first + 2 * word] = widen(static_cast<storage>(words[word]));
            to[first + 2 * word + 1] = widen(static_cast<storage>(words[word] >> 16));
#endif
        }
#endif
    }
}

template <int BLADES>
LANE void store_vectors(storage* to, const real (&from)[BLADES]) {
#pragma unroll
    for (int first = 0; first < BLADES; first += PER_VECTOR) {
        u32 words[4];
#if defined(STORAGE_F64)
        words[0] = static_cast<u32>(__double2loint(from[first]));
        words[1] = static_cast<u32>(__double2hiint(from[first]));
        words[2] = static_cast<u32>(__double2loint(from[first + 1]));
        words[3] = static_cast<u32>(__double2hiint(from[first + 1]));
#else
#pragma unroll
        for (int word = 0; word < 4; ++word) {
#if defined(STORAGE_F32)
            words[word] = __float_as_uint(from[first + word]);
#else
            words[word] = static_cast<u32>(narrow(from[first + 2 * word]))
                | static_cast<u32>(narrow(from[first + 2 * word + 1])) << 16;
#endif
        }
#endif
        *reinterpret_cast<uint4*>(to + first) = make_uint4(words[0], words[1], words[2], words[3]);
    }
}

// Quotient of two numbers that are not negative; most are small, and short division is several times faster.
LANE i64 divide(i64 number, i64 by) {
    if (((number | by) >> 32) == 0) {
        return static_cast<u32>(number) / static_cast<u32>(by);
    }
    return number / by;
}

// A number that is the same for all threads of a warp, of which the compiler then knows so.
LANE u32 same_in_warp(u32 number) { return __shfl_sync(0xffffffff, number, 0); }
