import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { noMounts, onTmpfs, taken } from "./OwnVolume.ts"
import { hindrance, node, PodRun, sha256, sh, shells, until } from "./PodRun.ts"

// They wait for time-outs of 10 and 15 s, and do nothing meanwhile.
vi.setConfig({ maxConcurrency: 15 })

const noFuse = (() => {
  const found = hindrance("bindfs", "tests of a volume that hangs")
  if (found !== null) return found
  const said = spawnSync("bindfs", ["--version"]).status === 0 && isFuse() ? null : "there is no /dev/fuse"
  if (said !== null) console.log(`skipped: tests of a volume that hangs: ${said}`)
  return said
})()

/** The process that serves a mount of bindfs. */
const serverOf = (directory: string): number =>
  Number(
    readdirSync("/proc").find((name) => {
      const found = spawnSync("cat", [`/proc/${name}/cmdline`], { encoding: "latin1" }).stdout
      return /^\d+$/.test(name) && found.startsWith("bindfs\0") && found.endsWith(`\0${directory}\0`)
    })
  )

function isFuse(): boolean {
  return spawnSync("sh", ["-c", "test -c /dev/fuse && test -w /dev/fuse"]).status === 0
}

const line = sh("echo line; exit 3")

describe.each(shells)("the pod command in $name", { concurrent: true }, (shell) => {
  it.skipIf(noMounts !== null)("keeps the status and says what is missing on a full volume", async () => {
    await using run = new PodRun(shell, node("fs.writeSync(1, 'x'.repeat(3_000_000)); process.exit(4)"), onTmpfs("1m"))
    const end = await run.ended
    expect(end.code).toBe(4)
    expect(end.ms).toBeLessThan(30_000)
    const log = readFileSync(taken(run).log)
    expect(log.length).toBeGreaterThan(900_000)
    expect(log.equals(Buffer.from("x".repeat(log.length)))).toBe(true)
    // Half a page is left of it for the record, which was there before.
    expect(JSON.parse(readFileSync(taken(run).record, "utf8"))).toEqual({
      exit_code: 4,
      signal: null,
      bytes: 3_000_000,
      lines: 1,
      sha256: sha256("x".repeat(3_000_000)),
      volume_error: "write: No space left on device"
    })
    await run.gone()
  })

  it.skipIf(noMounts !== null)("completes the log when a full volume gets space again", async () => {
    await using run = new PodRun(
      shell,
      sh("head -c 3000000 /dev/zero; while [ ! -e go ]; do sleep 0.05; done; echo end"),
      onTmpfs("1m", '( while [ ! -e full ]; do sleep 0.05; done; mount -o remount,size=8m "$VOLUME"; : > go ) &')
    )
    await until("it is full", () => run.has("vol.why"))
    run.write("full")
    expect((await run.ended).code).toBe(0)
    const log = readFileSync(taken(run).log)
    const record = JSON.parse(readFileSync(taken(run).record, "utf8"))
    expect(record).toEqual({ exit_code: 0, signal: null, bytes: 3_000_004, lines: 1, sha256: sha256(log) })
    await run.gone()
  })

  it.skipIf(noMounts !== null)("keeps the status on a volume that is read-only", async () => {
    await using run = new PodRun(shell, line, onTmpfs("1m", 'mount -o remount,ro "$VOLUME"'))
    const end = await run.ended
    expect([end.code, end.ms < 30_000]).toEqual([3, true])
    expect(run.told()).toMatchObject({ exit_code: 3, bytes: 5, volume_error: "open: Read-only file system" })
    await run.gone()
  })

  it("keeps the status when there is no volume at all, or a log that never answers", async () => {
    await using missing = new PodRun(shell, line, { volume: ({ directory }) => rmSync(directory, { recursive: true }) })
    await using silent = new PodRun(shell, line, {
      volume: ({ log }) => {
        rmSync(log)
        execFileSync("mkfifo", [log])
      }
    })
    for (const run of [missing, silent]) {
      const end = await run.ended
      expect([end.code, end.ms < 30_000]).toEqual([3, true])
      await run.gone()
    }
    expect(missing.told()).toMatchObject({ exit_code: 3, bytes: 5, volume_error: expect.stringMatching(/^open: /) })
    expect(silent.told()).toMatchObject({ exit_code: 3, bytes: 5, volume_error: "not confirmed in time" })
    // Only the log was stuck.
    expect(silent.record()).toEqual(silent.told())
  })

  it.skipIf(noFuse !== null)("keeps the status when all of the volume hangs, and leaves nobody behind", async () => {
    await using run = new PodRun(shell, sh("echo line; while [ ! -e go ]; do sleep 0.05; done; echo more; exit 3"), {
      volume: (paths) => {
        const behind = join(paths.directory, "..", "behind")
        for (const path of [paths.log, paths.recordTmp]) rmSync(path)
        mkdirSync(behind)
        execFileSync("bindfs", [behind, paths.directory])
        writeFileSync(paths.log, "")
        writeFileSync(paths.recordTmp, " ".repeat(512))
      }
    })
    const server = serverOf(run.paths.directory)
    try {
      await until("the first line", () => run.log().length > 0)
      const stopped = performance.now()
      process.kill(server, "SIGSTOP")
      run.write("go")
      const end = await run.ended
      expect([end.code, performance.now() - stopped < 30_000]).toEqual([3, true])
      expect(run.told()).toMatchObject({ exit_code: 3, bytes: 10, volume_error: "not confirmed in time" })
      await run.gone()
    } finally {
      process.kill(server, "SIGCONT")
      execFileSync("fusermount", ["-u", "-z", run.paths.directory])
    }
  })

  it("says that the agent has truncated its own output, and goes on copying", async () => {
    await using run = new PodRun(
      shell,
      sh("echo a first line; while [ ! -e go ]; do sleep 0.05; done; : > /dev/stdout; echo second; sleep 1; echo third")
    )
    await until("the first line", () => run.log().length > 0)
    run.write("go")
    await until("the second line", () => run.log().toString().includes("second"))
    expect((await run.ended).code).toBe(0)
    expect(run.record()).toEqual({
      exit_code: 0,
      signal: null,
      bytes: 13,
      lines: 2,
      sha256: sha256("second\nthird\n"),
      truncated: true
    })
    // So much of it has another hash: corrupt.
    expect(run.log().toString()).toBe("a first line\nsecond\nthird\n")
    await run.gone()
  })

  it("writes the whole log again when somebody has deleted it, and fills one that somebody has emptied", async () => {
    const agent = sh("echo one; for i in go end; do while [ ! -e $i ]; do sleep 0.05; done; echo $i; done")
    await using deleted = new PodRun(shell, agent)
    await using emptied = new PodRun(shell, agent)
    await until("the first lines", () => deleted.log().length > 0 && emptied.log().length > 0)
    rmSync(deleted.paths.log)
    truncateSync(emptied.paths.log, 0)
    deleted.write("go")
    emptied.write("go")
    for (const run of [deleted, emptied]) {
      // At once, not only at the end.
      await until("both lines", () => run.log().toString() === "one\ngo\n")
      run.write("end")
      expect((await run.ended).code).toBe(0)
      expect(run.log().toString()).toBe("one\ngo\nend\n")
      expect(run.record()).toMatchObject({ bytes: 11, sha256: sha256("one\ngo\nend\n") })
      expect(run.record()).not.toHaveProperty("volume_error")
      await run.gone()
    }
  })

  it("never calls a log confirmed that could not be synced", async () => {
    await using run = new PodRun(shell, line, {
      text: (text, { root }) => {
        const real = text.replace("\n", () => `\nPATH='${join(root, "fails")}':"$PATH"\n`)
        mkdirSync(join(root, "fails"))
        writeFileSync(
          join(root, "fails", "dd"),
          `#!/bin/sh
          case "$*" in *of=* | *fsync*) echo "dd: fsync failed for 'x': Input/output error" >&2; exit 1 ;; esac
          PATH='${process.env["PATH"]}'
          exec dd "$@"`,
          { mode: 0o755 }
        )
        return real
      }
    })
    const end = await run.ended
    expect([end.code, end.ms < 9_000]).toEqual([3, true])
    expect(run.told()).toMatchObject({ exit_code: 3, bytes: 5, volume_error: "fsync: Input/output error" })
    // Neither could the record be.
    expect(run.record()).toBeUndefined()
    await run.gone()
  })

  it("leaves no half of a record when the volume does not take it", async () => {
    await using run = new PodRun(shell, sh("echo line; exit 8"), {
      volume: ({ recordTmp }) => {
        rmSync(recordTmp)
        mkdirSync(recordTmp)
      }
    })
    expect((await run.ended).code).toBe(8)
    expect(run.record()).toBeUndefined()
    expect(run.told()).toMatchObject({ exit_code: 8, bytes: 5 })
    await run.gone()
  })
})
