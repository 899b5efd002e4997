/** The program that an interpreter runs to say which imports of an agent file it does not have. */

/**
 * Its argument is JSON: `file`, `packages` (a directory or null), `own` (modules that the host of agents brings) and `also`
 * (names to be looked for beside those of the file). The last line of its output is JSON: `missing`, or `broken` with the
 * reason. Nothing of the file is run. Runs on Python 3.8 and newer.
 *
 * It looks where the host of PythonHost.ts looks, and into helpers that lie beside the file. What stands in a `try` that
 * catches the failure of an import, or below `if TYPE_CHECKING`, the file can do without.
 */
export const IMPORT_PROBE = String.raw`
import sys

def main():
    setup_text = sys.argv[1]
    sys.path[:] = [entry for entry in sys.path if entry != ""]
    import ast, json, os
    from importlib.util import find_spec

    setup = json.loads(setup_text)
    folder = os.path.dirname(setup["file"])
    sys.path += [folder] + ([setup["packages"]] if setup["packages"] else [])
    own = set(setup["own"])
    caught = {None, "ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

    def name_of(node):
        return getattr(node, "id", getattr(node, "attr", "")) if node is not None else None

    def is_caught(handler):
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(name_of(kind) in caught for kind in kinds)

    def imports(tree):
        names, waiting = [], [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = "agents" if node.level else ""
                module = ".".join(part for part in (base, node.module) if part)
                names += [module + "." + alias.name for alias in node.names] if module == "agents" else [module]
            elif isinstance(node, ast.Try) and any(map(is_caught, node.handlers)):
                waiting += node.orelse + node.finalbody
            elif isinstance(node, ast.If) and name_of(node.test) == "TYPE_CHECKING":
                waiting += node.orelse
            else:
                waiting += ast.iter_child_nodes(node)
        return names

    missing, files, done = set(), [setup["file"]], set()
    names = list(setup["also"])
    while files or names:
        if files:
            file = files.pop()
            if file not in done and os.path.isfile(file):
                done.add(file)
                with open(file, "rb") as opened:
                    names += imports(ast.parse(opened.read(), file))
            continue
        top, _, rest = names.pop().partition(".")
        if top == "agents" and rest:
            files.append(os.path.join(folder, rest.partition(".")[0] + ".py"))
        if top in own:
            continue
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            continue # It is there, and is no ordinary module.
        if spec is None:
            missing.add(top)
        elif spec.origin and os.path.dirname(spec.origin) == folder and spec.origin.endswith(".py"):
            files.append(spec.origin)
    return {"missing": sorted(missing)}

try:
    answer = main()
except Exception as error:
    answer = {"broken": "%s: %s" % (type(error).__name__, error)}
import json
sys.stdout.write("\n" + json.dumps(answer) + "\n")
`
