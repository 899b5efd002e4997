/** `core-lock generate --python`: real interpreters, and some that go wrong. */
import { Effect } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { atDesk } from "../cli/InProcess.ts"
import { askPython, fakeInterpreter, python, withoutPython } from "./Python.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-lock-")))
const command = (...argv: ReadonlyArray<string>) =>
  Effect.runPromise(atDesk((desk) => desk.run(["core-lock", ...argv])))
const read = (file: string): any => JSON.parse(readFileSync(file, "utf8"))

/** What a reader of the standard library alone would write: sorted, first of each name, in the reference form. */
const REFERENCE = String.raw`
import importlib.metadata as metadata, json, re, sys
seen, records = set(), []
for each in metadata.distributions():
    name, version = each.metadata.get("Name"), each.metadata.get("Version")
    key = re.sub(r"[-_.]+", "-", name or "").lower()
    if not name or not version or key in seen:
        continue
    seen.add(key)
    lines = [line.strip() for line in (each.read_text("top_level.txt") or "").splitlines()]
    modules = sorted({line for line in lines if line and not line.startswith("#")})
    records.append({"name": name, "version": version, "top_level_modules": modules})
records.sort(key=lambda record: record["name"].lower())
text = json.dumps({"version": 1, "distributions": records}, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
json.dump({"text": text, "count": len(list(metadata.distributions()))}, sys.stdout)
`

describe.skipIf(withoutPython !== null)("the lock of the machine's own Python", () => {
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it("has one record for each name, in a file with sorted keys, two spaces and a final newline", async () => {
    const file = join(root, "some", "new", "lock.json")
    const said = await command("generate", "--python", python, "--output", file)
    const { count } = askPython(REFERENCE, null)
    const lock = read(file)
    const text = readFileSync(file, "utf8")
    expect(said.code).toBe(0)
    expect(Object.keys(lock)).toEqual(["distributions", "python", "skipped", "stdlib_modules", "version"])
    expect(text).toBe(`${JSON.stringify(lock, null, 2)}\n`)
    expect(lock.distributions.map(({ name }: { name: string }) => name.toLowerCase())).toEqual(
      lock.distributions.map(({ name }: { name: string }) => name.toLowerCase()).toSorted()
    )
    expect(lock.stdlib_modules).toEqual(expect.arrayContaining(["json", "os", "sys", "zlib"]))
    expect(statSync(file).mode & 0o777).toBe(0o644)
    console.log(
      `Python ${lock.python.version}: ${count} records, ${lock.distributions.length} locked, ${lock.skipped.length} set aside`
    )
  })

  it("is in its compatible form what a reader of importlib.metadata would write, byte for byte", async () => {
    const file = join(root, "compat.json")
    expect(await command("generate", "--python", python, "--compat", "--output", file)).toMatchObject({ code: 0 })
    expect(readFileSync(file, "utf8")).toBe(askPython(REFERENCE, null).text)
  })

  it("never has fewer modules than a reader of top_level.txt sees", async () => {
    const file = join(root, "full.json")
    await command("generate", "--python", python, "--output", file)
    const full = new Map(read(file).distributions.map((each: any) => [each.name, new Set(each.top_level_modules)]))
    const fewer = JSON.parse(askPython(REFERENCE, null).text).distributions.filter(
      ({ name, top_level_modules }: any) =>
        !top_level_modules.every((module: string) => (full.get(name) as Set<string>).has(module))
    )
    expect(fewer).toEqual([])
  })
})

describe.skipIf(withoutPython !== null)("a lock of an interpreter with bad records", { timeout: 60_000 }, () => {
  const site = join(root, "odd")
  let own = ""
  const record = (name: string, files: Readonly<Record<string, string | Uint8Array>>): void => {
    mkdirSync(join(dirname(site), "site", name), { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(dirname(site), "site", name, file), text)
  }
  const metadata = (name: string, version: string): string =>
    `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`
  const broken = Uint8Array.of(0x4e, 0xff, 0xfe, 0x80)

  beforeAll(() => {
    execFileSync(python, ["-m", "venv", "--without-pip", site])
    own = join(site, "bin", "python3")
    const packages: string = execFileSync(own, ["-I", "-c", "import site; print(site.getsitepackages()[0])"], {
      encoding: "utf8"
    })
    writeFileSync(join(packages.trim(), "more.pth"), `${join(dirname(site), "site")}\n`)
    // Two places with one name: the first on the path wins.
    mkdirSync(join(packages.trim(), "Twice-1.0.dist-info"))
    writeFileSync(join(packages.trim(), "Twice-1.0.dist-info", "METADATA"), metadata("Twice", "1.0"))
    record("twice-2.0.dist-info", { METADATA: metadata("twice", "2.0") })
    // The first is what is imported, whatever its version is worth.
    mkdirSync(join(packages.trim(), "mixed-1.dist-info"))
    writeFileSync(join(packages.trim(), "mixed-1.dist-info", "METADATA"), metadata("mixed", "nightly"))
    record("Mixed-2.0.dist-info", { METADATA: metadata("Mixed", "2.0") })
    record("good-1.0.dist-info", {
      METADATA: metadata("Good.Name", "1.0"),
      RECORD: [
        "good_pkg/__init__.py,,",
        "single.py,,",
        "fast.abi3.so,,",
        '"with,comma/x.py",,',
        "good-1.0.dist-info/METADATA,,",
        "../../../bin/tool,,",
        "good-1.0.data/scripts/tool.py,,",
        "data/readme.txt,,",
        "__pycache__/single.cpython-311.pyc,,"
      ].join("\n")
    })
    record("listed-1.0.dist-info", {
      METADATA: metadata("listed", "1.0"),
      "top_level.txt": "# a comment\n\n  listed_one \nlisted_two\n",
      RECORD: "unlisted/__init__.py,,\n"
    })
    record("undecodable-1.0.dist-info", { METADATA: broken })
    record("halfdecodable-1.0.dist-info", { METADATA: metadata("half", "1.0"), "top_level.txt": broken })
    record("oddversion-1.dist-info", { METADATA: metadata("oddversion", "2024-nightly-x") })
    record("oddname-1.dist-info", { METADATA: metadata("odd name", "1.0") })
    record("nothing-1.dist-info", { METADATA: "Metadata-Version: 2.1\n" })
  })

  it("sets them aside with the reason, one by one, and keeps the rest", async () => {
    const file = join(root, "odd.json")
    const said = await command("generate", "--python", own, "--output", file)
    expect(said.code).toBe(0)
    const lock = read(file)
    expect(lock.distributions).toEqual([
      { name: "Good.Name", top_level_modules: ["fast", "good_name", "good_pkg", "single"], version: "1.0" },
      { name: "half", top_level_modules: ["half"], version: "1.0" },
      { name: "listed", top_level_modules: ["listed", "listed_one", "listed_two"], version: "1.0" },
      { name: "Twice", top_level_modules: ["twice"], version: "1.0" }
    ])
    expect(lock.skipped.map(({ name }: any) => name).toSorted()).toEqual([
      "mixed",
      "nothing-1.dist-info",
      "odd name",
      "oddversion",
      "undecodable-1.0.dist-info"
    ])
    expect(said.err).toContain("Set aside: oddversion 2024-nightly-x: its version is none (PEP 440)")
    expect(said.err).toContain("Set aside: undecodable-1.0.dist-info: its METADATA cannot be read: UnicodeDecodeError")
    expect(said.err).toContain("Warning: top_level.txt of half cannot be read (UnicodeDecodeError")
    expect(said.out).toContain("Locked 4 distributions")
    expect(said.out).toContain("5 set aside, 2 further records of the same names left out")
  })

  it("does not see what the user's own folder or variables of Python add", async () => {
    const file = join(root, "isolated.json")
    const loud = fakeInterpreter(join(root, "loud"), `exec ${own} "$@"`)
    process.env["PYTHONPATH"] = join(root, "elsewhere")
    mkdirSync(join(root, "elsewhere", "sneaked-1.0.dist-info"), { recursive: true })
    writeFileSync(join(root, "elsewhere", "sneaked-1.0.dist-info", "METADATA"), metadata("sneaked", "1.0"))
    await command("generate", "--python", loud, "--output", file)
    delete process.env["PYTHONPATH"]
    expect(readFileSync(file, "utf8")).not.toContain("sneaked")
  })

  it("is not disturbed by 2 MB of talk before the answer", async () => {
    const file = join(root, "talk.json")
    const loud = fakeInterpreter(
      join(root, "talker"),
      `i=0; while [ $i -lt 20000 ]; do echo '{"too_old": "1.0"} and much, much more of the like, to fill the pipe up'; echo complaint >&2; i=$((i+1)); done; exec ${own} "$@"`
    )
    expect(await command("generate", "--python", loud, "--output", file)).toMatchObject({ code: 0 })
    expect(read(file).distributions).toHaveLength(4)
  })
})

/** A process that has ended may wait, as a zombie, for a parent that asks after it. */
const isRunning = (pid: number): boolean => {
  const state = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim()
  return state !== "" && !state.startsWith("Z")
}

describe("an interpreter that goes wrong", () => {
  const GENERATOR = "the generator (Holdfast's built-in Python probe)"
  const failing = async (name: string, body: string, ...more: ReadonlyArray<string>) => {
    const file = join(root, `${name}.json`)
    mkdirSync(root, { recursive: true })
    writeFileSync(file, "the lock of yesterday")
    const interpreter = body === "" ? join(root, name) : fakeInterpreter(join(root, name), body)
    const said = await command("generate", "--python", interpreter, "--output", file, ...more)
    expect(said).toMatchObject({ code: 1, out: "" })
    expect(existsSync(file)).toBe(false)
    expect(said.err).toContain(interpreter)
    expect(said.err).toContain(GENERATOR)
    return said.err
  }

  it("is told of when it is missing", async () => {
    expect(await failing("missing", "")).toContain("could not be started (ENOENT)")
  })

  it("is told of with its exit code and the end of what it said", async () => {
    const said = await failing(
      "code",
      "i=0; while [ $i -lt 500 ]; do echo noise noise noise >&2; i=$((i+1)); done; echo 'no module named site' >&2; exit 3"
    )
    expect(said).toContain("ended with exit code 3. The end of its stderr:")
    expect(said).toMatch(/no module named site$/)
    expect(said.length).toBeLessThan(5_000)
  })

  it("is told of with its signal", async () => {
    expect(await failing("signal", "echo 'out of memory' >&2; kill -KILL $$")).toMatch(
      /was ended by signal SIGKILL\. The end of its stderr:\nout of memory$/
    )
  })

  it("is told of with its deadline, and ended with all that it started", async () => {
    const pidFile = join(root, "sleeper.pid")
    const begin = Date.now()
    const said = await failing(
      "hang",
      `echo 'loading' >&2; trap '' TERM; sleep 600 & echo $! > ${pidFile}; wait; wait; wait`,
      "--deadline",
      "1"
    )
    expect(said).toMatch(/did not end within 1s\. The end of its stderr:\nloading$/)
    expect(Date.now() - begin).toBeLessThan(10_000)
    expect(isRunning(Number(readFileSync(pidFile, "utf8")))).toBe(false)
  })

  it("is told of when it ends well and answers nothing, or something else", async () => {
    const mute = await failing("mute", "echo 'no tongue' >&2; exit 0")
    expect(mute).toContain("did not answer")
    expect(mute).toMatch(/The end of its stderr:\nno tongue$/)
    expect(await failing("liar", `echo; echo 'holdfast-probe:{"records": 7}'`)).toContain("did not answer")
  })

  it("is told of when it is too old", async () => {
    expect(await failing("old", `echo; echo 'holdfast-probe:{"too_old": "3.7.2"}'`)).toContain(
      "is Python 3.7.2, and the generator (Holdfast's built-in Python probe) needs 3.8 or newer"
    )
  })

  it("is ended when it writes without an end", async () => {
    expect(await failing("endless", "exec yes '{}'")).toContain("wrote more than 64 MiB to its stdout")
  })

  it("may leave somebody behind who keeps its output open", async () => {
    const begin = Date.now()
    expect(await failing("parent", "sleep 600 & exit 4")).toContain("ended with exit code 4")
    expect(Date.now() - begin).toBeLessThan(15_000)
  })
})

describe("the command line of core-lock generate", () => {
  it.each([
    [["--output", "x"]],
    [["--python", "p", "--node", "n", "--output", "x"]],
    [["--python", "p", "--shared", "zod", "--output", "x"]],
    [["--node", "n", "--compat", "--output", "x"]],
    [["--python", "p", "--deadline", "0", "--output", "x"]]
  ])("refuses %j", async (argv) => {
    expect(await command("generate", ...argv)).toMatchObject({ code: 2 })
  })
})
