/** The machine's own Python: real interpreters, real pip, hand-made wheels in a local folder. */
import { spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** The interpreter that tests run, and why there is none. */
export const python = process.env["HOLDFAST_TEST_PYTHON"] ?? "python3"

const missingParts = (): string | null => {
  const said = spawnSync(python, ["-I", "-c", "import pip, venv, ensurepip; import pip._vendor.packaging"], {
    encoding: "utf8"
  })
  if (said.error !== undefined) return `${python} is missing (Debian's python3)`
  return said.status === 0 ? null : "pip or venv is missing (Debian's python3-pip and python3-venv)"
}

const missing = missingParts()

/** Null when tests with real Python can run. With CI set, a missing part is a failure. */
export const withoutPython: string | null = missing
if (missing !== null) {
  if (process.env["CI"] !== undefined) throw new Error(missing)
  console.log(`Tests with a real Python are skipped: ${missing}`)
}

/** Runs a script with JSON in and JSON out. */
export const askPython = (script: string, question: unknown): any => {
  const said = spawnSync(python, ["-I", "-c", script], {
    encoding: "utf8",
    input: JSON.stringify(question),
    maxBuffer: 256 * 1024 * 1024
  })
  if (said.status !== 0) throw new Error(`python ended with ${said.status}: ${said.stderr}`)
  return JSON.parse(said.stdout)
}

/** A wheel to be made: names of files in it and what they hold. */
export interface Wheel {
  readonly name: string
  readonly version: string
  readonly files: Readonly<Record<string, string>>
  readonly requires?: ReadonlyArray<string>
  readonly extras?: ReadonlyArray<string>
}

const MAKE = String.raw`
import json, sys, zipfile, os
folder, wheels = json.load(sys.stdin)
for wheel in wheels:
    stem = "%s-%s" % (wheel["name"].replace("-", "_"), wheel["version"])
    info = stem + ".dist-info/"
    files = dict(wheel["files"])
    files[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (wheel["name"], wheel["version"]) + "".join(
        "Requires-Dist: %s\n" % each for each in wheel.get("requires", [])) + "".join(
        "Provides-Extra: %s\n" % each for each in wheel.get("extras", []))
    files[info + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[info + "RECORD"] = "".join("%s,,\n" % name for name in files) + info + "RECORD,,\n"
    with zipfile.ZipFile(os.path.join(folder, stem + "-py3-none-any.whl"), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
print("true")
`

/** Puts wheels into a folder, which then is a local index. */
export const makeWheels = (folder: string, wheels: ReadonlyArray<Wheel>): void => {
  mkdirSync(folder, { recursive: true })
  askPython(MAKE, [folder, wheels])
}

/** A virtual environment with nothing but pip and these wheels; its interpreter. */
export const makeRuntime = (directory: string, index: string, requirements: ReadonlyArray<string>): string => {
  const run = (program: string, args: ReadonlyArray<string>): void => {
    const said = spawnSync(program, args, { encoding: "utf8" })
    if (said.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${said.stdout}${said.stderr}`)
  }
  run(python, ["-m", "venv", directory])
  const own = join(directory, "bin", "python3")
  run(own, ["-m", "pip", "install", "--quiet", "--no-index", "--find-links", index, ...requirements])
  return own
}

/** An executable script in the place of an interpreter. */
export const fakeInterpreter = (file: string, body: string): string => {
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  return file
}
