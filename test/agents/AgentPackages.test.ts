/** What agent files need, found out and installed without a daemon. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { AgentPackages } from "../../src/agents/AgentPackages.ts"
import { CoreLock } from "../../src/domain/index.ts"
import { withoutPython } from "../boundary/Python.ts"
import { atDesk, counting, withRuntime } from "./AgentPackagesStage.ts"

const SOURCE = `
from __future__ import annotations
import os.path as p, bs4
import requests.adapters
from yaml import load
from typing import TYPE_CHECKING
from agents.basic_agent import BasicAgent
from utils.storage_factory import get_storage_manager
from agents import helper
from .other import thing
import beside
import modelkit
if TYPE_CHECKING:
    import pandas
else:
    import numpy
try:
    import orjson
except ImportError:
    import simplejson
else:
    import rich
try:
    import lxml
except (ValueError, KeyError):
    pass
raise SystemExit("it was run")
def later():
    import httpx
`

describe.skipIf(withoutPython !== null)("what an agent file needs", { timeout: 120_000 }, () => {
  withRuntime()

  it.live("is what it and its helpers import and nobody has; what it can do without is not", () =>
    atDesk(({ agents, fileOf }) =>
      Effect.gen(function* () {
        writeFileSync(join(agents, "helper.py"), "import croniter\nfrom agents import a_agent\n")
        writeFileSync(join(agents, "other.py"), "import nobody_knows\n")
        writeFileSync(join(agents, "beside.py"), "import tqdm\n")
        const { needs } = yield* AgentPackages
        const needed = yield* needs(yield* fileOf(SOURCE), ["simplejson", "os"])
        expect(needed.map(({ distribution, name }) => `${name}=${distribution}`)).toEqual([
          "bs4=beautifulsoup4",
          "croniter=croniter",
          "httpx=httpx",
          "lxml=lxml",
          "nobody_knows=null",
          "numpy=numpy",
          "requests=requests",
          "rich=rich",
          "simplejson=simplejson",
          "tqdm=tqdm",
          "yaml=PyYAML"
        ])
      })
    )
  )

  it.live("cannot be told of a file that is no Python", () =>
    atDesk(({ fileOf }) =>
      Effect.gen(function* () {
        const { needs } = yield* AgentPackages
        const { message } = yield* Effect.flip(needs(yield* fileOf("def (:\n")))
        expect(message).toMatch(/^What a_agent\.py imports could not be found out: SyntaxError/)
      })
    )
  )

  it.live("is planned and installed beside what was installed for it before", () =>
    atDesk(({ fileOf, home }) =>
      Effect.gen(function* () {
        const { install, needs, plan } = yield* AgentPackages
        const first = yield* fileOf("import bs4, unlisted\n")
        expect(yield* needs(first)).toEqual([
          { name: "bs4", distribution: "beautifulsoup4" },
          { name: "unlisted", distribution: null }
        ])
        const decided = yield* plan(first, ["beautifulsoup4", "unlisted"])
        expect(decided.packages.map(({ name, version }) => `${name} ${version}`).toSorted()).toEqual([
          "beautifulsoup4 4.12",
          "unlisted 1.0"
        ])
        expect(existsSync(join(home, "state", "packages"))).toBe(false)
        yield* install(decided)
        const second = yield* fileOf("import bs4, unlisted, requests\n")
        expect(yield* needs(second)).toEqual([{ name: "requests", distribution: "requests" }])
        yield* install(yield* plan(second, ["requests"]))
        const third = yield* fileOf("import bs4, unlisted, requests\n")
        expect(yield* needs(third)).toEqual([])
        expect(third.packages?.stamp).not.toBe(second.packages?.stamp)
        expect(readdirSync(join(home, "state", "packages"))).toEqual(["a_agent.py"])
      })
    )
  )

  it.live("is not planned as all there is when what was installed before cannot be read", () =>
    atDesk(({ fileOf, home }) =>
      Effect.gen(function* () {
        const { plan } = yield* AgentPackages
        const place = join(home, "state", "packages", "a_agent.py")
        mkdirSync(place, { recursive: true })
        const file = yield* fileOf("import bs4\n")
        rmSync(place, { recursive: true })
        writeFileSync(place, "")
        const refused = yield* Effect.flip(plan(file, ["beautifulsoup4"]))
        expect(refused).toMatchObject({ verdict: "install_failed" })
        expect(refused.message).toMatch(/^Nothing was installed: listing .*a_agent\.py failed: /)
      })
    )
  )

  it.live("is judged by a lock that is made where there is none, and never in the place of another", () =>
    atDesk(({ home }) =>
      Effect.gen(function* () {
        const { generate, state } = yield* CoreLock
        const lock = join(home, "core-lock.json")
        for (const text of ["{", '{"distributions": [], "version": 1}']) {
          writeFileSync(lock, text)
          yield* generate(counting)
          expect(readFileSync(lock, "utf8")).toBe(text)
        }
        rmSync(lock)
        expect((yield* Effect.flip(generate(join(home, "no-python")))).message).toMatch(
          /^No core lock was made: .*ENOENT/
        )
        expect(existsSync(lock)).toBe(false)
        yield* generate(counting)
        expect((yield* state)._tag).toBe("ready")
      })
    )
  )
})
