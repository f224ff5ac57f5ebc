"""Finds or makes what a comparison needs: the peers' programs and weights of equal shapes."""
import os
import subprocess
import sys

LLAMA_PACKAGE = "llama-cpp-python==0.3.36"  # its source distribution holds llama.cpp
PROGRAMS = ["llama-bench", "llama-batched-bench"]


class CannotBuild(Exception):
    """A step of building a peer that failed."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def do(command):
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBuild(f"{command[0]}: {error}") from error


def build(source, options=()):
    """Builds the two benchmark programs of a checkout of llama.cpp or ik_llama.cpp and returns their folder."""
    folder = os.path.join(source, "build", "bin")
    if not all(os.access(os.path.join(folder, program), os.X_OK) for program in PROGRAMS):
        say(f"building {source} ...")
        do(["cmake", "-S", source, "-B", os.path.join(source, "build"), "-DCMAKE_BUILD_TYPE=Release",
            "-DGGML_NATIVE=ON", "-DLLAMA_CURL=OFF", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_BUILD_TESTS=OFF",
            "-DLLAMA_BUILD_SERVER=OFF", *options])
        do(["cmake", "--build", os.path.join(source, "build"), "--target", *PROGRAMS, "-j", str(os.cpu_count())])
    return folder


def llama(folder):
    """The programs of llama.cpp, from its Python package's source distribution if they are not there yet."""
    root = os.path.join(folder, "llama")
    source = os.path.join(root, "vendor", "llama.cpp")
    if not os.path.isdir(source):
        say(f"fetching {LLAMA_PACKAGE} ...")
        os.makedirs(root, exist_ok=True)
        do([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", folder, LLAMA_PACKAGE])
        archive = next(name for name in sorted(os.listdir(folder)) if name.startswith("llama_cpp_python-"))
        do(["tar", "xf", os.path.join(folder, archive), "-C", root, "--strip-components", "1"])
    return build(source, ["-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_TOOLS=ON"])


def ik(source):
    """The programs of a checkout of ik_llama.cpp."""
    return build(source, ["-DLLAMA_BUILD_EXAMPLES=ON", "-DGGML_IQK_FA_ALL_QUANTS=OFF"])


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
