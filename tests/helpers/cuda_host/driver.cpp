// The functions of the CUDA driver that cliffnet calls, with the processor as the only device. An image is a shared library.
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int INVALID_VALUE = 1;
constexpr int INVALID_DEVICE = 101;
constexpr int INVALID_IMAGE = 200;
constexpr int INVALID_CONTEXT = 201;
constexpr int DEVICE_LOST = 46;
constexpr int NOT_FOUND = 500;

int primary_context;
thread_local void* current;

// Milliseconds of all launches so far.
float clock_of_launches = 0;

}  // namespace

extern "C" {

// Read and set by tests.
int cliffnet_is_capturing = 0;
int cliffnet_is_lost = 0;
int cliffnet_launches = 0;
// Blocks of so many threads take the least of the time that events tell.
int cliffnet_best_threads = 256;

int cuInit(unsigned) { return 0; }

int cuDriverGetVersion(int* version) {
    *version = 13020;
    return 0;
}

int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return ordinal == 0 ? 0 : INVALID_DEVICE;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
    if (attribute != 75 && attribute != 76) {
        return INVALID_VALUE;
    }
    *value = attribute == 75 ? 9 : 0;
    return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int) {
    *context = &primary_context;
    return 0;
}

int cuCtxGetCurrent(void** context) {
    *context = current;
    return 0;
}

int cuCtxSetCurrent(void* context) {
    current = context;
    return 0;
}

int cuLibraryLoadData(void** library, const void* image, void*, void*, unsigned, void*, void*, unsigned) {
    if (current != &primary_context) {
        return INVALID_CONTEXT;
    }
    std::size_t size;
    std::memcpy(&size, image, sizeof(size));
    char path[] = "/tmp/cliffnet-host-XXXXXX";
    const int file = mkstemp(path);
    const char* bytes = static_cast<const char*>(image) + sizeof(size);
    const bool written = write(file, bytes, size) == static_cast<ssize_t>(size);
    close(file);
    *library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    unlink(path);
    return *library == nullptr ? INVALID_IMAGE : 0;
}

int cuLibraryGetGlobal(void** address, std::size_t* size, void* library, const char* name) {
    *address = dlsym(library, name);
    if (*address == nullptr) {
        return NOT_FOUND;
    }
    Dl_info place;
    const ElfW(Sym)* symbol = nullptr;
    dladdr1(*address, &place, reinterpret_cast<void**>(const_cast<ElfW(Sym)**>(&symbol)), RTLD_DL_SYMENT);
    *size = symbol->st_size;
    return 0;
}

int cuMemcpyHtoD_v2(void* to, const void* from, std::size_t size) {
    std::memcpy(to, from, size);
    return 0;
}

int cuCtxSynchronize() { return 0; }

int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
    *kernel = dlsym(library, name);
    return *kernel == nullptr ? NOT_FOUND : 0;
}

int cuKernelGetFunction(void** function, void* kernel) {
    *function = kernel;
    return current == &primary_context ? 0 : INVALID_CONTEXT;
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned, void*, void** arguments, void**) {
    if (cliffnet_is_lost != 0) {
        return DEVICE_LOST;
    }
    if (current != &primary_context) {
        return INVALID_CONTEXT;
    }
    if (grid_x == 0 || grid_y == 0 || grid_z == 0 || grid_y > 65535 || block_x * block_y * block_z > 1024) {
        return INVALID_VALUE;
    }
    const unsigned shape[6] = {grid_x, grid_y, grid_z, block_x, block_y, block_z};
    ++cliffnet_launches;
    clock_of_launches += 1 + std::abs(static_cast<int>(block_x) - cliffnet_best_threads);
    reinterpret_cast<void (*)(const unsigned*, void**)>(function)(shape, arguments);
    return 0;
}

int cuEventCreate(float** event, unsigned) {
    *event = new float;
    return 0;
}

int cuEventRecord(float* event, void*) {
    *event = clock_of_launches;
    return cliffnet_is_capturing == 0 ? 0 : INVALID_VALUE;
}

int cuEventSynchronize(float*) { return 0; }

int cuEventElapsedTime(float* milliseconds, const float* start, const float* end) {
    *milliseconds = *end - *start;
    return 0;
}

int cuEventDestroy_v2(float* event) {
    delete event;
    return 0;
}

int cuStreamIsCapturing(void*, int* status) {
    *status = cliffnet_is_capturing;
    return 0;
}

int cuGetErrorName(int status, const char** name) {
    *name = status == DEVICE_LOST ? "CUDA_ERROR_DEVICE_LOST" : "CUDA_ERROR_UNKNOWN";
    return 0;
}

int cuGetErrorString(int, const char** text) {
    *text = "said by the driver on the processor";
    return 0;
}

}  // extern "C"
