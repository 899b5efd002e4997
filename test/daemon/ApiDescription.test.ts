import { Validator } from "@cfworker/json-schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openApiOf } from "../../src/domain/DaemonApi.ts"
import { LoginMachine } from "../e2e/LoginMachine.ts"

interface Operation {
  readonly security?: ReadonlyArray<unknown>
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: object }>> }>
  >
}

const api = openApiOf("0.0.0") as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}
const described = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation }))
)

/** The routes as they are written: `route("GET", "/x"` and `post("/x"`. */
const written = [
  "src/agents/AgentFileRoutes.ts",
  "src/agents/ChatRoutes.ts",
  "src/daemon/Api.ts",
  "src/daemon/Pages.ts",
  "src/login/LoginRoutes.ts",
  "src/plugins/PluginRoutes.ts",
  "src/runs/RunRoutes.ts"
].flatMap((file) => {
  const source = readFileSync(join(import.meta.dirname, "..", "..", file), "utf8")
  return [
    ...[...source.matchAll(/route\(\s*"(\w+)",\s*[`"]([^`"]+)[`"]/g)].map(([, method, path]) => `${method} ${path}`),
    ...[...source.matchAll(/\bpost\(\s*"([^"]+)"/g)].map(([, path]) => `POST ${path}`)
  ]
})
const known = (name: string): string => name.replace("${id}", "{machine}").replace(/:(id|file)/, "{$1}")

let machine: LoginMachine
beforeAll(async () => {
  machine = await LoginMachine.start()
}, 30_000)
afterAll(() => machine.remove())

describe("the description of the API", () => {
  it("names every route that there is, but the files of the pages, and no other", () => {
    const routes = written.map(known).filter((name) => !name.includes(" /web/"))
    expect(described.map(({ name }) => name).toSorted()).toEqual(routes.toSorted())
  })

  it("says in words what every route is for", () => {
    const silent = described.filter(({ operation }) => !("summary" in operation) || !("description" in operation))
    expect(silent.map(({ name }) => name)).toEqual([])
  })

  it("says which routes need no token", async () => {
    const open = described.filter(({ operation }) => (operation.security ?? []).length === 0).map(({ name }) => name)
    expect(open.toSorted()).toEqual(["GET /health", "GET /open", "GET /version"])
    for (const { name } of described) {
      const [method = "", path = ""] = name.split(" ")
      const answer = await fetch(`${await machine.up()}${path.replace("{machine}", "daemon")}`, { method })
      await answer.body?.cancel()
      expect([name, answer.status === 401]).toEqual([name, !open.includes(name)])
    }
  })

  it("is true of what a running daemon answers", async () => {
    machine.provider.enter((await machine.login()).user_code, "octocat")
    await machine.outcome()
    for (const [method, path] of [
      ["GET", "/version"],
      ["GET", "/health"],
      ["GET", "/status"],
      ["GET", "/login/status"],
      ["POST", "/login/poll"],
      ["POST", "/login/retry"],
      ["GET", "/models"],
      ["POST", "/login/switch"],
      ["GET", "/login/status"],
      ["POST", "/login/cancel"],
      ["GET", "/machines"],
      ["GET", "/plugins"],
      ["POST", "/logout"]
    ] as const) {
      const { body, status } = await machine.ask(method, path)
      const schema = api.paths[path]?.[method.toLowerCase()]?.responses[status]?.content?.["application/json"]?.schema
      expect([path, status, schema !== undefined]).toEqual([path, 200, true])
      const { errors } = new Validator({ ...schema, components: api.components } as never, "2020-12", false).validate(
        JSON.parse(body)
      )
      expect([path, errors.map(({ error }) => error)]).toEqual([path, []])
    }
  })

  it("is served as a document and as a page", async () => {
    const document = await machine.ask("GET", "/openapi.json")
    expect(document.json).toMatchObject({ openapi: "3.1.0", info: { title: "Holdfast daemon" } })
    const page = await machine.ask("GET", "/docs")
    for (const { name } of described) expect(page.body).toContain(`<code>${name.split(" ")[1]}</code>`)
  })
})
