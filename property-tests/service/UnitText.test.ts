import * as fc from "fast-check"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { Effect, Exit } from "effect"
import { checkDescription, type ServiceDescription, systemdUnit } from "../../src/service/index.ts"
import { missing } from "../../test/service/Needs.ts"
import { options } from "../Options.ts"

const hindered = missing("systemd-analyze", "systemd", "what systemd reads in the units")

/** What means something to systemd, to shells and to nobody. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(..."%$\\\"' ;#-:=@!+|{}[]~*?<>&n".split("")),
      fc.constantFrom(
        "%h",
        "%%",
        "$HOME",
        "${X}",
        "$$",
        "\\n",
        "\\x41",
        "é",
        "漢",
        "😀",
        "\u0085",
        "\u00a0",
        "a b",
        "#",
        "; ",
        "\\"
      ),
      fc.string({ maxLength: 4, unit: "binary" })
    ),
    { maxLength: 12 }
  )
  .map((parts) => parts.join(""))
  .filter((each) => Exit.isSuccess(Effect.runSyncExit(checkDescription({ ...plain, home: each }))))

const plain: ServiceDescription = {
  scope: "user",
  label: "holdfast",
  node: "/usr/bin/node",
  script: "/opt/main.js",
  home: "/srv/home",
  uid: null,
  writable: [],
  environment: {}
}

/** As systemd simplifies paths: one slash, none at the end, no `.`. */
const path = text.map((each) => `/${each.replaceAll("/", "")}`).filter((each) => !["/", "/.", "/.."].includes(each))

/** What systemd has read, as it tells when it is asked to say all. */
const parsed = (unit: string) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-unit-"))
  try {
    writeFileSync(join(folder, "holdfast.service"), unit)
    const { stdout } = spawnSync("systemd-analyze", ["--user", "verify", join(folder, "holdfast.service")], {
      encoding: "utf8",
      env: { ...process.env, XDG_RUNTIME_DIR: folder, SYSTEMD_LOG_LEVEL: "debug", LC_ALL: "C.UTF-8" }
    })
    const all = (name: string) =>
      [...stdout.matchAll(new RegExp(`^\\t+${name}: (.*)$`, "gm"))].map(([, value]) => value)
    return {
      environment: all("Environment"),
      command: all("Command Line")[0] ?? "",
      writable: all("ReadWritePaths")[0]
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Words as systemd prints them, for a shell to read. */
const words = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/"((?:\\.|[^"\\])*)"|\$'((?:\\.|[^'\\])*)'|([^ ]+)/gu)].map(
    ([, quoted, , bare]) => quoted?.replace(/\\(.)/gu, "$1") ?? bare ?? ""
  )

describe.skipIf(hindered !== null)("the text of a unit", { timeout: 120_000 }, () => {
  it("is read by systemd as what was meant, whatever is in paths and variables", () => {
    fc.assert(
      fc.property(path, path, path, text, (script, home, folder, value) => {
        const read = parsed(
          systemdUnit({ ...plain, script, home, writable: [folder], environment: { VALUE: value, OTHER: "x" } })
        )
        expect(new Set(read.environment)).toEqual(
          new Set([`VALUE=${value}`, "OTHER=x", `HOLDFAST_HOME=${home}`, "NODE_USE_ENV_PROXY=1"])
        )
        expect(read.writable).toBe([...new Set([home, folder])].map((each) => `-${each}`).join(" "))
        // `$$` is what a `$` is until the program is started.
        expect(words(read.command)).toEqual([plain.node, script.replaceAll("$", "$$$$"), "daemon"])
      }),
      options(0.25)
    )
  })
})
