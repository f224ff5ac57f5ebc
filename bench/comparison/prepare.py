"""Finds or makes what a comparison needs: the peers' programs and weights of equal shapes."""
import os
import subprocess
import sys

LLAMA_PACKAGE = "llama-cpp-python"  # its source distribution holds llama.cpp
LLAMA_VERSION = "0.3.36"
PROGRAMS = ["llama-bench", "llama-batched-bench"]

AVX2 = ["-DGGML_NATIVE=OFF", "-DGGML_SSE42=ON", "-DGGML_AVX=ON", "-DGGML_AVX2=ON", "-DGGML_BMI2=ON", "-DGGML_FMA=ON",
        "-DGGML_F16C=ON"]
# Options of ggml for the instructions that a variant of our kernels uses.
OPTIONS = {
    "native": ["-DGGML_NATIVE=ON"],
    "avx2": AVX2,
    "avxvnni": [*AVX2, "-DGGML_AVX_VNNI=ON"],
    "avx512vnni": [*AVX2, "-DGGML_AVX512=ON", "-DGGML_AVX512_VBMI=ON", "-DGGML_AVX512_VNNI=ON"],
}
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}


class CannotBuild(Exception):
    """A step of building a peer that failed."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def do(command):
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBuild(f"{command[0]}: {error}") from error


def build(source, isa, compiler, options=()):
    """Builds the two benchmark programs of a checkout of llama.cpp or ik_llama.cpp and returns their folder."""
    place = os.path.join(source, "-".join(["build", *([] if isa == "native" else [isa]), *([compiler] if compiler else [])]))
    folder = os.path.join(place, "bin")
    if not all(os.access(os.path.join(folder, program), os.X_OK) for program in PROGRAMS):
        say(f"building {place} ...")
        c, cxx = COMPILERS.get(compiler, (None, None))
        chosen = [f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}"] if c else []
        do(["cmake", "-S", source, "-B", place, "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF", "-DBUILD_SHARED_LIBS=OFF",
            "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF", *OPTIONS[isa], *chosen, *options])
        do(["cmake", "--build", place, "--target", *PROGRAMS, "-j", str(os.cpu_count())])
    return folder


def llama(folder, isa, compiler):
    """The programs of llama.cpp, from its Python package's source distribution if they are not there yet."""
    root = os.path.join(folder, "llama")
    source = os.path.join(root, "vendor", "llama.cpp")
    if not os.path.isdir(source):
        say(f"fetching {LLAMA_PACKAGE} {LLAMA_VERSION} ...")
        os.makedirs(root, exist_ok=True)
        # Only this package as sources: with all of them so, pip would compile CMake first, for ten minutes.
        do([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", LLAMA_PACKAGE, "-d", folder,
            f"{LLAMA_PACKAGE}=={LLAMA_VERSION}"])
        archive = next((name for name in sorted(os.listdir(folder)) if name.startswith("llama_cpp_python-")), None)
        if archive is None:
            raise CannotBuild(f"pip has put no source distribution of {LLAMA_PACKAGE} into {folder}")
        do(["tar", "xf", os.path.join(folder, archive), "-C", root, "--strip-components", "1"])
    return build(source, isa, compiler, ["-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_TOOLS=ON"])


def ik(source, isa, compiler):
    """The programs of a checkout of ik_llama.cpp."""
    return build(source, isa, compiler, ["-DLLAMA_BUILD_EXAMPLES=ON", "-DGGML_IQK_FA_ALL_QUANTS=OFF"])


def mio_weights(folder, programs, kind):
    """A converted random checkpoint of MIO's size; `kind` is q4 or q8."""
    target = os.path.join(folder, f"{kind}.mio")
    if not os.path.exists(target):
        checkpoint = os.path.join(folder, "checkpoint")
        if not os.path.exists(os.path.join(checkpoint, "config.json")):
            say(f"making {checkpoint}, 12.8 GB ...")
            do([os.path.join(programs, "mio-checkpoint"), checkpoint])
        say(f"converting it to {target} ...")
        do([os.path.join(programs, "mio-lite"), "convert", checkpoint, "-o", target, "--quantize", kind, "-q"])
    return target


def gguf_weights(folder, kind):
    """Random weights of the same shapes for the peers."""
    kind = {"q4": "q4_0", "q8": "q8_0"}[kind]
    target = os.path.join(folder, f"{kind}.gguf")
    if not os.path.exists(target):
        say(f"making {target} ...")
        maker = os.path.join(os.path.dirname(__file__), "..", "peers", "make_gguf.py")
        do([sys.executable, maker, "--type", kind, "-o", target])
    return target
