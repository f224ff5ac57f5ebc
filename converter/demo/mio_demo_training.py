"""One process of a training stage; started by train.py, once per rank."""

import importlib
import sys

import settings as options
import train

if __name__ == "__main__":
    stage, *arguments = sys.argv[1:]
    importlib.import_module(train.MODULES[stage]).run(options.parse(arguments))
