import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const source = readFileSync(new URL("../../src/process/EndProcess.ts", import.meta.url), "utf8")

/**
 * Ends while V8 compiles many functions in the background and its heap, kept small as the daemon's is, is due for a
 * collection: with `process.exit` one process in four never ends. Small, for it is a matter of where the heap stands.
 */
const busyEnd = `${stripTypeScriptTypes(source)}
import { setFlagsFromString } from "node:v8"
setFlagsFromString("--optimize-for-size")
const functions = []
for (let i = 0; i < 400; i++) functions.push(new Function("a", "b", \`let s=\${i}; for(let i=0;i<20;i++){ s+=a*i^b; if(s>\${i*7}) s-=[a,b,\${i}].length; s+=({x:a,y:b,z:\${i}}).y } \${Array.from({length:40},(_, k)=>\`s=(s*\${k+3}+a)|0; if(s%\${k+5}===0) s+=String(s).length;\`).join("")} return s\`))
const junk = []
const end = performance.now() + 60 + Math.random() * 80
let sum = 0
while (performance.now() < end) { for (const use of functions) sum += use(sum, 3); junk.push(new Array(200).fill(sum)) }
endProcess(75)
`

const codeOf = (script: string) =>
  new Promise<number | null>((resolve) => {
    const child = spawn(process.execPath, [script], { stdio: "ignore", timeout: 20_000, killSignal: "SIGKILL" })
    child.on("exit", (code) => resolve(code))
  })

describe("the end of a process", () => {
  it("comes, with its code, whatever V8 is compiling in the background", async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-end-"))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const script = join(folder, "busy-end.mjs")
    writeFileSync(script, busyEnd)
    for (let round = 0; round < 4; round++) {
      expect(await Promise.all(Array.from({ length: 6 }, () => codeOf(script)))).toEqual(Array(6).fill(75))
    }
  })
})
