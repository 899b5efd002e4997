/** The program that an interpreter runs to say what it has. Facts only: what they mean is decided in PythonLock.ts. */

/** Stands before the answer: whatever the site's own start-up code prints is no part of it. */
export const PROBE_MARK = "holdfast-probe:"

/** Runs on Python 3.8 and newer; older ones say that they are. One bad record costs that record. */
export const PYTHON_PROBE = String.raw`
import sys

def emit(answer):
    import json
    sys.stdout.write("\n" + "${PROBE_MARK}" + json.dumps(answer) + "\n")
    sys.stdout.flush()

def words(error):
    return "%s: %s" % (type(error).__name__, error)

def stdlib_modules():
    import os, sysconfig
    names = getattr(sys, "stdlib_module_names", None)
    if names is None:
        names = set(sys.builtin_module_names)
        for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")):
            for part in (folder, os.path.join(folder, "lib-dynload")):
                for entry in os.listdir(part) if os.path.isdir(part) else ():
                    name = entry.split(".", 1)[0]
                    code = entry.endswith(".py") or entry.endswith(".so") or os.path.exists(os.path.join(part, entry, "__init__.py"))
                    if code and name.isidentifier():
                        names.add(name)
    return sorted(names)

def recorded_modules(text, suffixes):
    import csv
    modules = set()
    for row in csv.reader(text.splitlines()):
        parts = row[0].replace("\\", "/").split("/") if row else [""]
        head, last = parts[0], parts[-1]
        suffix = next((each for each in suffixes if last.endswith(each)), None)
        if suffix is None or ".." in parts or head == "" or "__pycache__" in parts:
            continue
        name = head if len(parts) > 1 else last[:-len(suffix)]
        if name.isidentifier():
            modules.add(name)
    return sorted(modules)

def record_of(distribution, suffixes):
    import os
    record = {"place": os.path.basename(str(getattr(distribution, "_path", "") or ""))}
    try:
        metadata = distribution.metadata
        record["name"] = metadata.get("Name")
        record["version"] = metadata.get("Version")
    except Exception as error:
        record["error"] = words(error)
        return record
    try:
        record["top_level"] = distribution.read_text("top_level.txt")
    except Exception as error:
        record["top_level_error"] = words(error)
    try:
        record["recorded"] = recorded_modules(distribution.read_text("RECORD") or "", suffixes)
    except Exception as error:
        record["recorded_error"] = words(error)
    return record

def main():
    import platform
    version = platform.python_version()
    if sys.version_info < (3, 8):
        return emit({"too_old": version})
    import os, sysconfig
    from importlib import machinery, metadata
    suffixes = sorted(machinery.all_suffixes(), key=len, reverse=True)
    records = []
    distributions = iter(metadata.distributions())
    while True:
        try:
            distribution = next(distributions, None)
        except Exception as error:
            records.append({"place": "", "error": words(error)})
            break
        if distribution is None:
            break
        records.append(record_of(distribution, suffixes))
    info = sys.implementation.version
    implementation = "%d.%d.%d" % info[:3]
    if info.releaselevel != "final":
        implementation += info.releaselevel[0] + str(info.serial)
    emit({
        "python": {"executable": sys.executable, "platform": sysconfig.get_platform(), "version": version},
        "stdlib": stdlib_modules(),
        "records": records,
        "environment": {
            "implementation_name": sys.implementation.name,
            "implementation_version": implementation,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": version,
            "platform_python_implementation": platform.python_implementation(),
            "python_version": ".".join(platform.python_version_tuple()[:2]),
            "sys_platform": sys.platform
        }
    })

main()
`
