import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { KubernetesClient } from "../../../src/runs/kubernetes/index.ts"

const directory = mkdtempSync(join(tmpdir(), "holdfast-kubeconfig-"))
afterAll(() => rmSync(directory, { recursive: true }))

const config = (server: string, insecure = true) =>
  JSON.stringify({
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": insecure } }],
    users: [{ name: "u", user: { token: "very-secret" } }]
  })

/** What is said when a cluster is asked with this kubeconfig. */
const said = (text: string, settings = {}) =>
  Effect.gen(function* () {
    const kubeconfig = join(directory, "config")
    writeFileSync(kubeconfig, text)
    return yield* KubernetesClient.use((client) => client.readJob("x")).pipe(
      Effect.provide(KubernetesClient.layer({ kubeconfig, ...settings })),
      Effect.flip
    )
  }).pipe(Effect.runPromise)

describe("the client", () => {
  it("says what is wrong with a kubeconfig, and never what is in it", async () => {
    const broken = await said('users:\n- user: {token: "very-secret"\n')
    expect(broken.message).toMatch(/^the kubeconfig cannot be used: /)
    expect(broken.message).not.toContain("very-secret")
    expect((await said("", { kubeconfig: join(directory, "none") })).message).toContain("no such file")
    expect((await said(config("http://127.0.0.1:1"), { context: "b" })).message).toContain('for the context "b"')
    expect((await said(config("http://127.0.0.1:1", false))).message).toContain("without TLS")
  })

  it("takes a server that does not answer for one that may later", async () => {
    const refused = await said(config("http://127.0.0.1:2"))
    expect(refused).toMatchObject({ kind: "transient", message: expect.stringContaining("ECONNREFUSED") })
    expect(refused.message).not.toContain("very-secret")
  })
})
