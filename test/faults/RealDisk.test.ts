/** The built program on a real file system that fills up, or turns read-only. */
import { spawnSync } from "node:child_process"
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { type Central, documentFor, eventually, Gateway, scratch, startCentral } from "../e2e/Processes.ts"
import { openWire, type Wire } from "../e2e/Wire.ts"

const mount = (...args: ReadonlyArray<string>): string | null => {
  const { error, status, stderr } = spawnSync("mount", args, { encoding: "utf8" })
  return error === undefined && status === 0 ? null : (error?.message ?? stderr.trim())
}

const unmount = (path: string) => void spawnSync("umount", ["-l", path])

/** Why no file system can be mounted here; null: it can. */
const hindrance = ((): string | null => {
  const place = mkdtempSync(join(tmpdir(), "holdfast-mount-"))
  const problem = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", place)
  if (problem === null) unmount(place)
  rmSync(place, { recursive: true, force: true })
  return problem
})()

// Not a failure in CI either: no package gives the right to mount.
if (hindrance !== null) console.log(`skipped: a disk that is full or read-only needs the right to mount (${hindrance})`)

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Machine {
  readonly gateway: Gateway
  readonly central: Central
  readonly wire: Wire
  readonly first: string
}

/** A machine whose home is a small file system of its own, with a promoted revision. */
const promotedMachine = async (): Promise<Machine> => {
  const wire = await openWire()
  const data = scratch()
  const central = await startCentral(data, { externalUrl: wire.url })
  wire.target = central.url
  cleanups.push(wire.close, central.stop, () => rmSync(data, { recursive: true, force: true }))
  const gateway = new Gateway({ HOLDFAST_TEST_TIME_SCALE: "60" })
  cleanups.push(() => gateway.remove())
  expect(mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", gateway.home)).toBeNull()
  cleanups.push(
    () => unmount(gateway.home),
    () => gateway.stop()
  )
  const first = await central.put(documentFor(wire.url))
  const joining = await gateway.run("join", wire.url, await central.token(), "--no-daemon")
  expect(joining.code, joining.stderr).toBe(0)
  gateway.start()
  await gateway.promoted(first)
  return { gateway, central, wire, first }
}

/** Takes all the room there is, and whatever the daemon frees, until it is told to give it back. */
const fill = (home: string): (() => void) => {
  const file = join(home, "filler")
  const descriptor = openSync(file, "w")
  const more = (): void => {
    try {
      for (;;) writeSync(descriptor, new Uint8Array(4_096))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
    }
  }
  more()
  const again = setInterval(more, 2)
  return () => {
    clearInterval(again)
    closeSync(descriptor)
    rmSync(file)
  }
}

const polls = (wire: Wire) => wire.log.filter(({ path }) => path === "/v1/config").length

/** A revision that cannot be written is named as that, what runs goes on, and so do the polls. */
const refusesWithAdvice = async ({ central, first, gateway, wire }: Machine, advice: RegExp): Promise<string> => {
  const next = await central.put(documentFor(wire.url, {}, { poll_interval_seconds: 6 }))
  const status = await eventually("the refusal", async () => {
    const found = await gateway.status()
    return found.remote_config?.last_attempt?.etag === next ? found : undefined
  })
  expect(status.remote_config).toMatchObject({
    running_etag: first,
    last_known_good: { etag: first },
    last_attempt: { verdict: "apply_io_error" },
    quarantine: []
  })
  expect(status.remote_config?.last_attempt?.reason).toMatch(advice)
  expect(status.overall).toBe("degraded")
  const known = polls(wire)
  await eventually("more polls", () => (polls(wire) > known + 2 ? true : undefined))
  const join = await gateway.run("join", "https://elsewhere.example", "other-token", "--no-daemon")
  expect([join.code === 0, join.stderr]).toEqual([false, expect.stringMatching(advice)])
  return next
}

const codes = (gateway: Gateway) => gateway.exits.map(({ code }) => code)

describe.skipIf(hindrance !== null)("a machine whose disk fails", () => {
  it("refuses with advice when it is full, goes on polling, and applies what it refused when there is space", async () => {
    const machine = await promotedMachine()
    const giveBack = fill(machine.gateway.home)
    cleanups.push(() => giveBack())
    const next = await refusesWithAdvice(machine, /the disk is full\. Free space/)
    expect(codes(machine.gateway)).toEqual([75])
    cleanups.pop()
    giveBack()
    // It would be tried again a minute later by itself.
    expect((await machine.gateway.run("config", "retry", next)).code).toBe(0)
    await machine.gateway.promoted(next)
    expect((await machine.gateway.status()).overall).toBe("healthy")
    expect(codes(machine.gateway)).toEqual([75, 75])
  })

  it("refuses with advice when it is read-only, goes on polling, and applies the next revision when it is not", async () => {
    const machine = await promotedMachine()
    const { home } = machine.gateway
    // A mount over itself, for a file system with open files cannot be turned read-only.
    expect(mount("--bind", home, home)).toBeNull()
    expect(mount("-o", "remount,bind,ro", home)).toBeNull()
    cleanups.push(() => unmount(home))
    await refusesWithAdvice(machine, /the file system is read-only\. .*remount it writable/)
    expect(codes(machine.gateway)).toEqual([75])
    unmount(home)
    const next = await machine.central.put(documentFor(machine.wire.url, {}, { poll_interval_seconds: 7 }))
    await machine.gateway.promoted(next)
    expect(codes(machine.gateway)).toEqual([75, 75])
  })
})
