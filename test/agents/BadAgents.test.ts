import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { CallFailure } from "../../src/domain/index.ts"
import { javascript, python, staged } from "./AgentStage.ts"

const GOOD = {
  "a_good_agent.py": python("GoodPython", "return 'python: ' + kwargs.get('text', '')"),
  "b_good_agent.js": javascript("GoodJavaScript", "return 'javascript: ' + args.text")
}

interface Bad {
  readonly what: string
  readonly file: string
  readonly source: string
  readonly failure: CallFailure
  readonly message: RegExp
}

// To run out of memory takes a busy machine seconds, and only what never ends is to meet its deadline.
const limits = ({ failure }: Pick<Bad, "failure">) => ({
  callMs: failure === "deadline" ? 1_500 : 60_000,
  memoryMiB: 256
})

const CALLS: ReadonlyArray<Bad> = [
  {
    what: "calls sys.exit",
    file: "z_agent.py",
    source: python("Bad", "import sys\nsys.exit(3)"),
    failure: "exited",
    message: /^it called sys\.exit\(3\) \(z_agent\.py, line \d+\)$/
  },
  {
    what: "ends its process from below Python",
    file: "z_agent.py",
    source: python("Bad", "import os, sys\nprint('the end', file=sys.stderr, flush=True)\nos._exit(4)"),
    failure: "exited",
    message: /ended with exit code 4.*the end/s
  },
  {
    what: "calls process.exit",
    file: "z_agent.mjs",
    source: javascript("Bad", "process.exit(5)"),
    failure: "exited",
    message: /ended with exit code 5/
  },
  {
    what: "loops without end in Python",
    file: "z_agent.py",
    source: python("Bad", "while True:\n    pass"),
    failure: "deadline",
    message: /longer than 1\.5 s/
  },
  {
    what: "loops without end in JavaScript",
    file: "z_agent.js",
    source: javascript("Bad", "for (;;) {}"),
    failure: "deadline",
    message: /longer than 1\.5 s/
  },
  {
    what: "waits without end and has caught SIGTERM",
    file: "z_agent.py",
    source: python(
      "Bad",
      "import time\nwhile True:\n    time.sleep(60)",
      "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    ),
    failure: "deadline",
    message: /longer than 1\.5 s/
  },
  {
    what: "allocates 1 GiB in Python",
    file: "z_agent.py",
    source: python("Bad", "return str(len(bytearray(1 << 30)))"),
    failure: "memory",
    message: /^it ran out of memory: it has 256 MiB/
  },
  {
    what: "fills the heap of JavaScript",
    file: "z_agent.js",
    source: javascript("Bad", "const all = []; for (;;) all.push(new Array(1e5).fill(all.length))"),
    failure: "memory",
    message: /ran out of memory: it has 256 MiB/
  },
  {
    what: "fills 1 GiB outside of the heap",
    file: "z_agent.js",
    source: javascript(
      "Bad",
      `const all = []
    for (let count = 0; count < 16; count++) {
      all.push(Buffer.alloc(1 << 26, 1))
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    return String(all.length)`
    ),
    failure: "memory",
    message: /more memory than it may/
  },
  {
    what: "prints 100 MB in Python",
    file: "z_agent.py",
    source: python("Bad", "for _ in range(100):\n    print('x' * 1000000)\nreturn 'done'"),
    failure: "output",
    message: /printed or answered more than it may/
  },
  {
    what: "prints 100 MB on stderr in JavaScript",
    file: "z_agent.js",
    source: javascript("Bad", "for (let i = 0; i < 100; i++) process.stderr.write('x'.repeat(1e6)); return 'done'"),
    failure: "output",
    message: /printed or answered more than it may/
  },
  {
    what: "answers 100 MB",
    file: "z_agent.py",
    source: python("Bad", "return 'x' * 100000000"),
    failure: "output",
    message: /answered more than 1048576 characters/
  },
  {
    what: "kills itself by a signal",
    file: "z_agent.py",
    source: python("Bad", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"),
    failure: "exited",
    message: /ended by signal SIGSEGV/
  },
  {
    what: "writes into the protocol",
    file: "z_agent.py",
    source: python("Bad", "import os\nos.write(4, b'nonsense\\n')\nreturn 'x'"),
    failure: "failed",
    message: /leave descriptor 4 alone/
  },
  {
    what: "answers a call of somebody else",
    file: "z_agent.js",
    source: javascript(
      "Bad",
      `require("node:fs").writeSync(4, '{"call":999999,"output":"x"}\\n'); return "x"`,
      'import { createRequire } from "node:module"\nconst require = createRequire(import.meta.url)'
    ),
    failure: "failed",
    message: /answered what nobody asked/
  },
  {
    what: "throws in Python",
    file: "z_agent.py",
    source: python("Bad", "return {}['nothing']"),
    failure: "failed",
    message: /^KeyError: 'nothing' \(z_agent\.py, line \d+\)$/
  },
  {
    what: "throws in TypeScript",
    file: "z_agent.ts",
    source: javascript("Bad", "const no: string | undefined = undefined; throw new RangeError(`bad ${no}`)"),
    failure: "failed",
    message: /^RangeError: bad undefined \(z_agent\.ts, line \d+\)$/
  },
  {
    what: "throws where nobody catches it",
    file: "z_agent.js",
    source: javascript("Bad", "setTimeout(() => { throw new Error('later') }); await new Promise(() => {})"),
    failure: "exited",
    message: /exit code 1.*Error: later/s
  }
]

describe("a call of an agent that", () => {
  it.live.each(CALLS)(
    "$what ends with a clear reason, and the agents beside it answer all the while",
    (bad) =>
      staged(limits(bad), ({ call, names, processes, write }) =>
        Effect.gen(function* () {
          for (const [file, source] of Object.entries(GOOD)) write(file, source)
          write(bad.file, bad.source)
          expect(yield* names).toEqual(["GoodPython", "GoodJavaScript", "Bad"])
          const calling = yield* Effect.forkChild(call("Bad"))
          expect(yield* call("GoodPython", { text: "1" })).toEqual({ ok: true, output: "python: 1" })
          expect(yield* call("GoodJavaScript", { text: "1" })).toEqual({ ok: true, output: "javascript: 1" })
          const outcome = yield* Fiber.join(calling)
          expect(outcome).toMatchObject({ ok: false, failure: bad.failure })
          expect(outcome.ok ? "" : outcome.message).toMatch(bad.message)
          expect(processes().length).toBeLessThanOrEqual(3)
          expect(yield* call("GoodPython", { text: "2" })).toEqual({ ok: true, output: "python: 2" })
          // It is not held against the next call.
          expect((yield* call("Bad")).ok).toBe(false)
        })
      ),
    120_000
  )
})

interface Broken {
  readonly what: string
  readonly file: string
  readonly source: string
  readonly className: string | null
  readonly reason: RegExp
}

const withParameters = (parameters: string): string =>
  javascript("Bad", "return ''").replace(/parameters: .*/, `parameters: ${parameters},`)

/** A schema with something wrong five levels down. */
const DEEP = `{ type: "object", properties: { a: { type: "object", properties: { b: { type: "array", items: {
  type: "object", properties: { c: { anyOf: [{ type: "object", properties: { d: { type: "strnig" } } }] } } } } } } } }`

const LOADS: ReadonlyArray<Broken> = [
  {
    what: "has a syntax error in Python",
    file: "z_agent.py",
    source: "def broken(:\n",
    className: null,
    reason: /^it cannot be loaded: .*SyntaxError/s
  },
  {
    what: "has a syntax error in JavaScript",
    file: "z_agent.js",
    source: "export default {{",
    className: null,
    reason: /^it cannot be loaded: SyntaxError/
  },
  {
    what: "imports what is not there in Python",
    file: "z_agent.py",
    source: python("Bad", "return ''", "import no_such_module_of_anybody"),
    className: null,
    reason: /ModuleNotFoundError: No module named 'no_such_module_of_anybody' \(z_agent\.py, line 1\)/
  },
  {
    what: "imports what is not there in JavaScript",
    file: "z_agent.mjs",
    source: javascript("Bad", "return ''", 'import "no-such-package-of-anybody"'),
    className: null,
    reason: /Cannot find package 'no-such-package-of-anybody'/
  },
  {
    what: "calls sys.exit while it is loaded",
    file: "z_agent.py",
    source: "import sys\nsys.exit()\n",
    className: null,
    reason: /it called sys\.exit\(\) \(z_agent\.py, line 2\)/
  },
  {
    what: "calls process.exit while it is loaded",
    file: "z_agent.js",
    source: "process.exit(0)",
    className: null,
    reason: /ended with exit code 0/
  },
  {
    what: "loops without end while it is loaded",
    file: "z_agent.py",
    source: "while True:\n    pass\n",
    className: null,
    reason: /was not loaded within 4 s/
  },
  {
    what: "is not text",
    file: "z_agent.py",
    source: "\0\u0001",
    className: null,
    reason: /it cannot be loaded/
  },
  {
    what: "holds no agent in Python",
    file: "z_agent.py",
    source: "x = 1\n",
    className: null,
    reason: /no class with a perform/
  },
  {
    what: "holds no agent in JavaScript",
    file: "z_agent.js",
    source: "export const x = 1",
    className: null,
    reason: /default export/
  },
  {
    what: "has a name that no model may call",
    file: "z_agent.py",
    source: python("Bad", "return ''").replace('self.name = "Bad"', 'self.name = "bäd agent"'),
    className: "BadAgent",
    reason: /its name must be/
  },
  {
    what: "has no metadata",
    file: "z_agent.py",
    source: "class Bad:\n    name = 'Bad'\n    def perform(self):\n        return ''\n",
    className: "Bad",
    reason: /it cannot be made: AttributeError/
  },
  {
    what: "cannot be made",
    file: "z_agent.py",
    source:
      "class Bad:\n    def __init__(self):\n        raise ValueError('no key')\n    def perform(self):\n        return ''\n",
    className: "Bad",
    reason: /it cannot be made: ValueError: no key \(z_agent\.py, line 3\)/
  },
  {
    what: "has no description",
    file: "z_agent.js",
    source: javascript("Bad", "").replace(/description.*/, ""),
    className: null,
    reason: /description/
  },
  {
    what: "declares a list of arguments",
    file: "z_agent.js",
    source: withParameters('{ type: "array" }'),
    className: null,
    reason: /\/type: must be "object"/
  },
  {
    what: "has a bad schema at depth 5",
    file: "z_agent.js",
    source: withParameters(DEEP),
    className: null,
    reason: /\/properties\/a\/properties\/b\/items\/properties\/c\/anyOf\/0\/properties\/d\/type: must be one of/
  },
  {
    what: "has the name of another one",
    file: "z_agent.py",
    source: python("GoodPython", "return 'not me'"),
    className: "GoodPythonAgent",
    reason: /^a_good_agent\.py has an agent of this name$/
  }
]

describe("a file that", () => {
  it.live.each(LOADS)(
    "$what is quarantined with its reason, and the others answer",
    (bad) =>
      staged({ startMs: 4_000 }, ({ call, roster, write }) =>
        Effect.gen(function* () {
          for (const [file, source] of Object.entries(GOOD)) write(file, source)
          write(bad.file, bad.source)
          const { quarantined, tools } = yield* roster
          expect(tools.map(({ name }) => name)).toEqual(["GoodPython", "GoodJavaScript"])
          expect(quarantined).toMatchObject([{ file: bad.file, class: bad.className }])
          expect(quarantined[0]?.reason).toMatch(bad.reason)
          expect(yield* call("GoodPython", { text: "1" })).toEqual({ ok: true, output: "python: 1" })
          expect(yield* call("GoodJavaScript", { text: "1" })).toEqual({ ok: true, output: "javascript: 1" })
        })
      ),
    30_000
  )
})

describe("nobody waits for long", () => {
  it.live("for a file that loops while it is loaded: the others are there, and it is told as being loaded", () =>
    staged({}, ({ call, processes, roster, write }) =>
      Effect.gen(function* () {
        write("a_loop_agent.py", "while True:\n    pass\n")
        for (const [file, source] of Object.entries(GOOD)) write(file, source)
        const { quarantined, tools } = yield* roster
        expect(tools.map(({ name }) => name)).toEqual(["GoodPython", "GoodJavaScript"])
        expect(quarantined).toEqual([
          { file: "a_loop_agent.py", class: null, reason: expect.stringMatching(/^it is still being loaded/) }
        ])
        // It goes on: nobody has waited for the end of its load.
        expect(processes()).toHaveLength(3)
        expect(yield* call("GoodPython", { text: "1" })).toEqual({ ok: true, output: "python: 1" })
        expect(processes()).toHaveLength(3)
      })
    )
  )

  it.live("for a system_context that loops: the others speak, and it is asked once", () =>
    staged({}, ({ call, contexts, processes, write }) =>
      Effect.gen(function* () {
        const speaking = (text: string) => `\n    def system_context(self):\n        ${text}\n`
        write("a_agent.py", python("Mute", "return 'called'") + speaking("while True: pass"))
        write("b_agent.py", python("Speaks", "return ''") + speaking("return 'I speak.'"))
        expect(yield* contexts).toEqual(["I speak."])
        expect(processes()).toHaveLength(1)
        expect(yield* contexts).toEqual(["I speak."])
        // Asked again it would run.
        expect(processes()).toHaveLength(1)
        expect(yield* call("Mute")).toEqual({ ok: true, output: "called" })
      })
    )
  )

  it.live("for a system_context behind a long call: it speaks again as soon as that is over", () =>
    staged({}, ({ call, contexts, home, write }) =>
      Effect.gen(function* () {
        const until = join(home, "over")
        const begun = join(home, "begun")
        const waiting = `import os, time\nopen("${begun}", "w").close()\nwhile not os.path.exists("${until}"):\n    time.sleep(0.02)\nreturn "over"`
        write("a_agent.py", python("Busy", waiting) + "\n    def system_context(self):\n        return 'I speak.'\n")
        expect(yield* contexts).toEqual(["I speak."])
        const calling = yield* Effect.forkChild(call("Busy"))
        while (!existsSync(begun)) yield* Effect.sleep(20)
        expect(yield* contexts).toEqual([])
        writeFileSync(until, "")
        expect(yield* Fiber.join(calling)).toEqual({ ok: true, output: "over" })
        expect(yield* contexts).toEqual(["I speak."])
      })
    )
  )
})
