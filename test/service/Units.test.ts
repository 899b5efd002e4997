import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  checkDescription,
  homeOfUnit,
  launchdPlist,
  type ServiceDescription,
  systemdUnit,
  whyFleeting
} from "../../src/service/index.ts"
import { missing } from "./Needs.ts"

const description: ServiceDescription = {
  scope: "user",
  label: "holdfast",
  node: process.execPath,
  script: "/opt/hold fast/dist/main.js",
  home: '/srv/100% of "it"/$HOME\\here',
  uid: null,
  writable: ["/tmp", "/srv/ann"],
  environment: { PATH: "/usr/bin:/bin", HOLDFAST_PORT: "7071" }
}

const without = missing("systemd-analyze", "systemd", "what systemd says of the units")

describe("a unit for systemd", () => {
  for (const scope of ["user", "system"] as const) {
    it.skipIf(without !== null)(`is one that systemd has nothing to say about: ${scope}`, () => {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-unit-"))
      try {
        const file = join(folder, "holdfast.service")
        writeFileSync(file, systemdUnit({ ...description, scope, uid: scope === "system" ? 65_534 : null }))
        const verified = spawnSync("systemd-analyze", [`--${scope}`, "verify", file], {
          encoding: "utf8",
          env: { ...process.env, XDG_RUNTIME_DIR: folder }
        })
        expect([verified.status, verified.stderr, verified.stdout]).toEqual([0, "", ""])
        // It would have said something of a mistake.
        writeFileSync(file, systemdUnit({ ...description, scope }).replace("KillMode=process", "KillMode=some"))
        expect(
          spawnSync("systemd-analyze", [`--${scope}`, "verify", file], {
            encoding: "utf8",
            env: { ...process.env, XDG_RUNTIME_DIR: folder }
          }).stderr
        ).toContain("kill mode")
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }

  it("says what the daemon needs, and takes nothing from agents and runs that a user has", () => {
    const lines = systemdUnit(description).split("\n")
    for (const line of [
      "Type=notify",
      "NotifyAccess=all",
      "Restart=always",
      "RestartSec=200ms",
      "RestartForceExitStatus=75",
      "StartLimitIntervalSec=0",
      "WatchdogSec=60",
      "KillMode=process",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      'Environment="NODE_USE_ENV_PROXY=1"',
      'Environment="HOLDFAST_HOME=/srv/100%% of \\"it\\"/$HOME\\\\here"',
      "WantedBy=default.target"
    ]) {
      expect(lines).toContain(line)
    }
    expect(lines.filter((line) => /^(PrivateTmp|ProtectHome|User)=/.test(line))).toEqual([])
    expect(lines.join()).not.toContain("network-online")
    expect(lines.find((line) => line.startsWith("ReadWritePaths="))).toContain('"-/srv/ann"')
  })

  it("of the machine runs as the owner of the home, when the machine starts", () => {
    const lines = systemdUnit({ ...description, scope: "system", uid: 1_000 }).split("\n")
    expect(lines).toContain("User=1000")
    expect(lines).toContain("Wants=network-online.target")
    expect(lines).toContain("After=network-online.target")
    expect(lines).toContain("WantedBy=multi-user.target")
  })
})

describe("a property list for launchd", () => {
  const hindered = missing("python3", "python3", "what Python reads in a property list")

  it.skipIf(hindered !== null)("holds what was meant", () => {
    const environment = { ...description.environment, ODD: `<a href="x">&amp; -- ]]>` }
    const script = "import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))"
    const { stderr, stdout } = spawnSync("python3", ["-I", "-c", script], {
      encoding: "utf8",
      input: launchdPlist({ ...description, environment })
    })
    expect(stderr).toBe("")
    expect(JSON.parse(stdout)).toEqual({
      Label: "dev.holdfast.daemon",
      ProgramArguments: [description.node, description.script, "daemon"],
      EnvironmentVariables: { ...environment, HOLDFAST_HOME: description.home, NODE_USE_ENV_PROXY: "1" },
      RunAtLoad: true,
      KeepAlive: true,
      ThrottleInterval: 1,
      ExitTimeOut: 30,
      AbandonProcessGroup: true,
      ProcessType: "Standard"
    })
  })
})

describe("a unit of ours", () => {
  it("is known by its first lines, with the home that it is for", () => {
    for (const home of ["/srv/ann/.holdfast", "/a -- b", '/q"uote\\', "/ünï/漢字"]) {
      for (const text of [systemdUnit({ ...description, home }), launchdPlist({ ...description, home })]) {
        expect(homeOfUnit(text)).toEqual(Option.some(home))
      }
    }
    expect(homeOfUnit("[Unit]\nDescription=Something else\n")).toEqual(Option.none())
    expect(homeOfUnit("# Written by holdfast daemon install: {}\n")).toEqual(Option.none())
  })

  it.effect("never holds a line break, which would be another setting", () =>
    Effect.gen(function* () {
      for (const bad of ["a\nExecStartPre=/bin/rm", "a\rb", "a\u0000", "\ud800", "\uffff"]) {
        for (const changed of [
          { home: bad },
          { script: bad },
          { node: bad },
          { writable: [bad] },
          { environment: { PATH: bad } }
        ]) {
          const { message } = yield* Effect.flip(checkDescription({ ...description, ...changed }))
          expect(message).toContain("no unit can hold")
        }
      }
      expect(yield* checkDescription(description)).toBe(description)
    })
  )
})

describe("a program for a service", () => {
  const temporary = ["/tmp", "/var/tmp/"]

  it("lies neither in a cache of a package runner nor in a temporary folder", () => {
    for (const path of [
      "/srv/ann/.npm/_npx/12ab/node_modules/holdfast",
      "/srv/ann/.cache/pnpm/dlx-4711/node_modules/holdfast",
      "/srv/ann/bunx-1000-holdfast@latest/node_modules/holdfast",
      "/tmp/holdfast",
      "/var/tmp/x"
    ]) {
      expect([path, whyFleeting(path, temporary)]).toEqual([path, expect.any(String)])
    }
  })

  it("may lie anywhere else", () => {
    for (const path of ["/usr/lib/node_modules/holdfast", "/srv/ann/tmp/holdfast", "/tmpfoo/holdfast"]) {
      expect(whyFleeting(path, temporary)).toBeNull()
    }
  })
})
