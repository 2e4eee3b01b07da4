"""What the checks of the house share: the tree's own files, C without its comments and strings, and TAP.

A check is a program tools/checks/check_NAME with one function: tree in, list of problems out. It runs on the project, or on
the tree named as its argument (so tools/checks/check_self can plant violations in a copy)."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__", "data"}
C_LEXEMES = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


class Tree:
    def __init__(self, root):
        self.root = root

    def files(self, *endings):
        """Paths under the root, sorted, that git knows or would know; all of them in a copy without git."""
        names = self._from_git() if os.path.exists(os.path.join(self.root, ".git")) else self._from_disk()
        return sorted(name for name in names if not endings or name.endswith(endings))

    def _from_git(self):
        out = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=self.root)
        names = out.decode().split("\0")
        return [name for name in names if name and os.path.isfile(os.path.join(self.root, name))]

    def _from_disk(self):
        found = []
        for folder, below, names in os.walk(self.root):
            below[:] = [name for name in below if name not in SKIPPED_FOLDERS and not name.startswith("build-")]
            found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names]
        return found

    def path(self, name):
        return os.path.join(self.root, name)

    def exists(self, name):
        return os.path.isfile(self.path(name))

    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()


def bare_c(text, keep_strings=False):
    """C with comments (and strings) blanked out; lines keep their numbers."""
    def blank(match):
        lexeme = match.group(0)
        if keep_strings and lexeme[0] in "\"'":
            return lexeme
        return re.sub(r"[^\n]", " ", lexeme)
    return C_LEXEMES.sub(blank, text)


def numbered(text):
    return enumerate(text.splitlines(), 1)


def rooms(tree):
    """The rooms in the order in which they may know each other (src/meson.build)."""
    block = re.search(r"rooms = \[(.*?)\]", tree.text("src/meson.build"), re.S)
    return re.findall(r"'(\w+)'", block.group(1)) if block else []


def main(title, check):
    problems = check(Tree(os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    for problem in problems:
        print("# " + problem)
    print("1..1")
    print(("not ok" if problems else "ok") + " 1 - " + title)
    sys.exit(1 if problems else 0)
