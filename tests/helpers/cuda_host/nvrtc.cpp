// The functions of NVRTC that cliffnet calls: programs are compiled for the processor, as shared libraries.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace {

struct Program {
    std::string text, binary, log;
};

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

extern "C" {

// Read and set by tests.
int cliffnet_compilations = 0;
int cliffnet_refuses = 0;

int nvrtcVersion(int* major, int* minor) {
    *major = 13;
    *minor = 2;
    return 0;
}

int nvrtcGetNumSupportedArchs(int* count) {
    *count = 2;
    return 0;
}

int nvrtcGetSupportedArchs(int* architectures) {
    architectures[0] = 80;
    architectures[1] = 90;
    return 0;
}

int nvrtcCreateProgram(Program** program, const char* text, const char*, int, const char* const*, const char* const*) {
    *program = new Program{text, {}, {}};
    return 0;
}

int nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return 0;
}

// The header is beside this library; CXX and its options come from the build of the latter.
int nvrtcCompileProgram(Program* program, int, const char* const*) {
    ++cliffnet_compilations;
    if (cliffnet_refuses != 0) {
        program->log = "refused on request";
        return 6;
    }
    char folder[] = "/tmp/cliffnet-host-XXXXXX";
    if (mkdtemp(folder) == nullptr) {
        return 1;
    }
    const std::string base = std::string(folder) + "/kernel";
    std::ofstream(base + ".cpp") << "#include \"" HOST_HEADER "\"\n" << program->text;
    const std::string command = CXX " -std=c++17 -O0 -w -shared -fPIC -o " + base + ".so " + base + ".cpp > " + base
        + ".log 2>&1";
    const int status = std::system(command.c_str());
    program->log = contents(base + ".log");
    const std::string library = contents(base + ".so");
    const std::size_t size = library.size();
    program->binary = std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + library;
    for (const char* suffix : {".cpp", ".so", ".log"}) {
        unlink((base + suffix).c_str());
    }
    rmdir(folder);
    return status == 0 ? 0 : 6;
}

int nvrtcGetCUBINSize(Program* program, std::size_t* size) {
    *size = program->binary.size();
    return 0;
}

int nvrtcGetCUBIN(Program* program, char* to) {
    std::memcpy(to, program->binary.data(), program->binary.size());
    return 0;
}

int nvrtcGetProgramLogSize(Program* program, std::size_t* size) {
    *size = program->log.size() + 1;
    return 0;
}

int nvrtcGetProgramLog(Program* program, char* to) {
    std::memcpy(to, program->log.c_str(), program->log.size() + 1);
    return 0;
}

}  // extern "C"
