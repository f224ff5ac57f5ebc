"""Writes a manual page of every command, from what the program says about its arguments.

    mio-lite --experimental-dump-help | python3 man.py VERSION FOLDER
"""

import json
import pathlib
import re
import sys

FILES = """\
.TP
.B /usr/share/mio-lite/demo.mio
The model that is used where none is named.
.TP
.I ~/.local/state/mio-lite/history
What was typed in conversations.
.TP
.I ~/.cache/mio-lite/kernels.json
The fastest kernels of this machine (\\fBmio\\-lite doctor \\-\\-measure\\fR).
"""

ENVIRONMENT = """\
.TP
.B MIO_MODEL
The model that is used where \\fB\\-\\-model\\fR names none.
.TP
.B MIO_HISTORY
Where conversations are remembered line by line.
"""

STATUS = """\
.TP
.B 0
Done.
.TP
.B 1
The work failed.
.TP
.B 2
The command line or an input is wrong.
.TP
.B 130
Interrupted (143 and 129 by SIGTERM and SIGHUP).
"""


def roff(text: str) -> str:
    """Text for troff: nothing in it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def option_name(name: dict) -> str:
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def usage(argument: dict) -> str:
    """An argument in the synopsis."""
    value = f"\\fI{roff(argument.get('valueName') or '')}\\fR"
    if argument["kind"] == "positional":
        words = value + ("..." if argument.get("isRepeating") else "")
    else:
        words = f"\\fB{roff(option_name(argument['preferredName']))}\\fR"
        words += "" if argument["kind"] == "flag" else f"\\~{value}"
    return f"[{words}]" if argument.get("isOptional") else words


def entry(argument: dict) -> str:
    """An argument with its description."""
    value = f"\\fI{roff(argument.get('valueName') or '')}\\fR"
    if argument["kind"] == "positional":
        head = value
    else:
        short_first = sorted(argument["names"], key=lambda name: name["kind"] != "short")
        head = ", ".join(f"\\fB{roff(option_name(name))}\\fR" for name in short_first)
        head += "" if argument["kind"] == "flag" else f" {value}"
    words = argument.get("abstract") or ""
    if argument.get("discussion"):
        words += "\n" + argument["discussion"]
    if argument.get("allValues") and not all(value in words for value in argument["allValues"]):
        words += f" One of {', '.join(argument['allValues'])}."
    if argument.get("defaultValue") and "default:" not in words and argument["kind"] != "flag":
        words += f" Default: {argument['defaultValue']}."
    return f".TP\n{head}\n{roff(words.strip())}\n"


def page(command: dict, names: list, version: str, siblings: list) -> str:
    """The page of a command."""
    name = "-".join(names)
    arguments = [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True)]
    positional = [argument for argument in arguments if argument["kind"] == "positional"]
    options = [argument for argument in arguments if argument["kind"] != "positional"]
    abstract = (command.get("abstract") or "").rstrip(".")
    lines = [
        f'.TH {name.upper()} 1 "" "mio\\-lite {version}" "User Commands"',
        ".SH NAME",
        f"{roff(name)} \\- {roff(abstract[:1].lower() + abstract[1:])}",
        ".SH SYNOPSIS", ".nh", ".ad l",
        f".B {roff(' '.join(names))}",
    ]
    subcommands = [each for each in command.get("subcommands", []) if each.get("shouldDisplay", True)]
    if subcommands:
        lines.append("\\fIcommand\\fR [\\fIoptions\\fR]")
    lines += [usage(argument) for argument in options + positional]
    lines += [".ad b", ".hy"]
    if command.get("discussion"):
        lines += [".SH DESCRIPTION", roff(command["discussion"])]
    if subcommands:
        lines.append(".SH COMMANDS")
        for each in subcommands:
            lines.append(f".TP\n\\fB{roff(each['commandName'])}\\fR\n{roff(each.get('abstract') or '')}")
    if positional:
        lines += [".SH ARGUMENTS", "".join(map(entry, positional)).rstrip()]
    if options:
        lines += [".SH OPTIONS", "".join(map(entry, options)).rstrip()]
    lines += [".SH EXIT STATUS", STATUS.rstrip(), ".SH ENVIRONMENT", ENVIRONMENT.rstrip(), ".SH FILES", FILES.rstrip()]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{roff(each)}\\fR(1)" for each in siblings if each != name)]
    return "\n".join(lines) + "\n"


def main() -> None:
    version, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    root = json.load(sys.stdin)["command"]
    pages = []

    def collect(command: dict, names: list) -> None:
        if not command.get("shouldDisplay", True) or command["commandName"] == "help":
            return
        pages.append((command, names))
        for each in command.get("subcommands", []):
            collect(each, [*names, each["commandName"]])

    collect(root, [root["commandName"]])
    siblings = ["-".join(names) for _, names in pages]
    for command, names in pages:
        (folder / f"{'-'.join(names)}.1").write_text(page(command, names, version, siblings))


if __name__ == "__main__":
    main()
