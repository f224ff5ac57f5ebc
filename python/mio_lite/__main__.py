"""`python -m mio_lite`: the command line."""

import os
import shutil
import sys

from ._library import HERE, first_file


def main() -> None:
    """Becomes the program that comes with the package, or the one of the system."""
    program = first_file(os.path.join(HERE, "bin", "mio-lite")) or shutil.which("mio-lite")
    if program is None:
        sys.exit("mio_lite: the program mio-lite is neither in the package nor on the PATH; install it")
    os.execv(program, ["mio-lite", *sys.argv[1:]])


if __name__ == "__main__":
    main()
