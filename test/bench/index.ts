/** `npm run bench [name …]` measures, prints tables, and never asserts. Each bench is a file with a `run`. */
const benches: Readonly<Record<string, () => Promise<{ readonly run: () => Promise<void> }>>> = {
  agents: () => import("./Agents.ts"),
  apply: () => import("./Apply.ts"),
  central: () => import("./Central.ts"),
  start: () => import("./Start.ts"),
  tail: () => import("./Tail.ts")
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(benches)
const unknown = names.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`No bench named ${unknown.join(", ")}; there are: ${Object.keys(benches).join(", ")}`)
  process.exitCode = 1
} else {
  for (const name of names) {
    const bench = await benches[name]?.()
    await bench?.run()
  }
}
