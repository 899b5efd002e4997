/** What calls of real agents give, and what that is for whoever called. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { javascript, python, staged, type Staged } from "./AgentStage.ts"

/** What it gave, by an expression each; a failed call as its failure and its message. */
const resultsOf = Effect.fnUntraced(function* (stage: Staged, expressions: ReadonlyArray<string>) {
  const results: Record<string, string> = {}
  for (const [index, expression] of expressions.entries()) {
    const outcome = yield* stage.call("Gives", { count: index })
    results[expression] = outcome.ok ? outcome.output : `${outcome.failure}: ${outcome.message}`
  }
  return results
})

/** An agent whose argument says which of these it is to give. */
const inPython = (expressions: ReadonlyArray<string>, head: string): string =>
  python("Gives", `return [${expressions.map((one) => `lambda: ${one}`).join(", ")}][kwargs["count"]]()`, head)
const inJavaScript = (expressions: ReadonlyArray<string>): string =>
  javascript("Gives", `return [${expressions.map((one) => `() => (${one})`).join(", ")}][args.count]()`)

const GENERATOR = "failed: perform gave a generator: return a text instead"
const hollow = (kind: string) => `failed: perform gave what JSON cannot hold (${kind}): return a text instead`

const PYTHON: Readonly<Record<string, string>> = {
  "'süß'": "süß",
  None: "",
  "7": "7",
  True: "true",
  "{'a': [1.5, None]}": '{"a": [1.5, null]}',
  "datetime.date(2026, 11, 22)": '"2026-11-22"',
  "{'at': datetime.date(2026, 11, 22)}": '{"at": "2026-11-22"}',
  "waited('later')": "later",
  "bytes([98, 195, 169, 255])": "bé\uFFFD",
  "bytearray(b'abc')": "abc",
  "waited(b'later')": "later",
  "(piece for piece in 'ab')": GENERATOR,
  "pieces()": GENERATOR,
  "waited(pieces())": GENERATOR
}

const JAVASCRIPT: Readonly<Record<string, string>> = {
  '"süß"': "süß",
  undefined: "",
  null: "",
  "7": "7",
  "({})": "{}",
  "({ a: [1.5, null, new Date(0)] })": '{"a":[1.5,null,"1970-01-01T00:00:00.000Z"]}',
  "new URL('https://a.example/')": '"https://a.example/"',
  "new (class { a = 1 })()": '{"a":1}',
  "new (class {})()": "{}",
  "Object.create(null)": "{}",
  "(function* () { yield 1 })()": GENERATOR,
  "(async function* () { yield 1 })()": GENERATOR,
  "new Map([[1, 2]])": hollow("Map"),
  "new Set([1])": hollow("Set"),
  "new Response('hello')": hollow("Response"),
  "[1].values()": hollow("Array Iterator"),
  "() => 1": hollow("Function"),
  "Symbol('s')": hollow("Symbol"),
  "10n": expect.stringMatching(/^failed: TypeError: .*BigInt/),
  "new RangeError('too far')": expect.stringMatching(/^failed: RangeError: too far \(a_agent\.js, line \d+\)$/)
}

describe("what a call gives is told as text, or fails the call:", () => {
  it.live("in Python", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const head = `import datetime
async def waited(value):
    return value
async def pieces():
    yield "piece"
`
        stage.write("a_agent.py", inPython(Object.keys(PYTHON), head))
        expect(yield* resultsOf(stage, Object.keys(PYTHON))).toEqual(PYTHON)
      })
    )
  )

  it.live("in JavaScript", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        stage.write("a_agent.js", inJavaScript(Object.keys(JAVASCRIPT)))
        expect(yield* resultsOf(stage, Object.keys(JAVASCRIPT))).toEqual(JAVASCRIPT)
      })
    )
  )

  it.live("generators that are written as such", () =>
    staged({}, (stage) =>
      Effect.gen(function* () {
        const generates = (name: string, star: string) =>
          javascript(name, 'yield "piece"').replace("perform: async (args, ctx) =>", `${star}perform()`)
        stage.write("a_agent.js", generates("A", "*"))
        stage.write("b_agent.mjs", generates("B", "async *"))
        stage.write("c_agent.py", python("C", "yield 'piece'"))
        stage.write("d_agent.py", python("D", "yield 'piece'").replace("def perform", "async def perform"))
        for (const name of ["A", "B", "C", "D"]) {
          expect(yield* stage.call(name)).toEqual({ ok: false, failure: "failed", message: GENERATOR.slice(8) })
        }
      })
    )
  )

  it.live("a system context that is no text adds nothing", () =>
    staged({}, ({ contexts, write }) =>
      Effect.gen(function* () {
        write("a_agent.py", `${python("A", "return ''")}\n    def system_context(self):\n        yield 'I'\n`)
        write("b_agent.js", javascript("B", "").replace("perform:", "*systemContext() { yield 'I' },\n  perform:"))
        write("c_agent.js", javascript("C", "").replace("perform:", "systemContext: () => 'I speak.',\n  perform:"))
        expect(yield* contexts).toEqual(["I speak."])
      })
    )
  )
})

describe("what an agent says of itself and JSON cannot hold", () => {
  it.live("costs its class alone in Python, and the reason names the part", () =>
    staged({}, ({ call, roster, write }) =>
      Effect.gen(function* () {
        const unfit = (name: string, from: string, to: string) => python(name, "return ''").replace(from, to)
        const integer = '{"type": "integer"}'
        write(
          "a_agent.py",
          [
            unfit("Inf", integer, '{"type": "integer", "maximum": float("inf")}'),
            unfit("Nan", integer, '{"type": "integer", "default": float("nan")}'),
            unfit("Some", integer, "{1, 2}"),
            unfit("Text", '"It is for a test."', "b'It is for a test.'"),
            unfit(
              "Own",
              "super().__init__",
              'self.metadata["parameters"]["self"] = self.metadata\n        super().__init__'
            ),
            python("Good", "return 'good'")
          ].join("\n")
        )
        const { quarantined, tools } = yield* roster
        expect(tools.map(({ name }) => name)).toEqual(["Good"])
        expect(yield* call("Good")).toEqual({ ok: true, output: "good" })
        const why = (name: string, part: string, reason: string) => ({
          file: "a_agent.py",
          class: `${name}Agent`,
          reason: expect.stringMatching(new RegExp(`^its ${part} cannot be told as JSON: .*${reason}`))
        })
        expect(quarantined).toEqual([
          why("Inf", "parameters", "float values"),
          why("Nan", "parameters", "float values"),
          why("Some", "parameters", "set is not JSON serializable"),
          why("Text", "description", "bytes is not JSON serializable"),
          why("Own", "parameters", "Circular reference")
        ])
      })
    )
  )

  it.live("costs its file in JavaScript, and the reason is in the agent's words", () =>
    staged({}, ({ names, roster, write }) =>
      Effect.gen(function* () {
        const circle = "const circle = { type: 'object' }; circle.properties = { circle }"
        write("a_agent.js", javascript("A", "", circle).replace(/parameters: .*/, "parameters: circle,"))
        write("b_agent.js", javascript("B", "").replace('"integer"', '"integer", maximum: 10n'))
        write("c_agent.js", javascript("C", "").replace(/description: .*/, "description: 10n,"))
        write("d_agent.js", javascript("D", ""))
        const reasons = (yield* roster).quarantined.map(({ reason }) => reason)
        expect(yield* names).toEqual(["D"])
        expect(reasons).toEqual([
          expect.stringMatching(
            /^its parameters cannot be told as JSON: TypeError: Converting circular structure.*'circle'/
          ),
          "its parameters cannot be told as JSON: TypeError: Do not know how to serialize a BigInt",
          "its description cannot be told as JSON: TypeError: Do not know how to serialize a BigInt"
        ])
        expect(reasons.join()).not.toContain("eval")
      })
    )
  )
})
