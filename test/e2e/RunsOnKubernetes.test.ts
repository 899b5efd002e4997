import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { KubernetesStandIn } from "../runs/kubernetes/KubernetesStandIn.ts"
import { eventually, sleep } from "./Processes.ts"
import { RunMachine } from "./RunMachine.ts"

let directory: string
let cluster: KubernetesStandIn
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-on-kubernetes-"))
  cluster = await KubernetesStandIn.start({ directory: join(directory, "cluster") })
  cluster.addClaim("shared", join(directory, "volume"))
})
afterEach(async () => {
  await cluster.close()
  rmSync(directory, { recursive: true, force: true })
})

/** The user's own layer, in which runs go to the stand-in cluster. */
const onCluster = (more: object = {}) => {
  const pvc = { claim: "shared", mountPath: "/holdfast-shared" }
  const kubernetes = { kubeconfig: cluster.kubeconfig, image: "i", pvc, root: join(directory, "volume"), ...more }
  return { version: 2, plugins: [{ name: "@holdfast/runs", config: { kubernetes } }] }
}

describe("a daemon whose runs are Jobs", { timeout: 120_000 }, () => {
  it("takes them up where they were started, in a safe start and with other settings too", async () => {
    const machine = await RunMachine.start({}, onCluster())
    try {
      const script = "i=0; while [ $i -lt 90 ]; do i=$((i+1)); echo line $i of many; sleep 0.2; done; exit "
      const codes = [0, 3]
      const ids = await Promise.all(
        codes.map((code, index) => machine.sh(`${script}${code}`, { agentId: `a${index}` }))
      )
      for (const id of ids) await machine.state(id, "live")
      const readers = ids.map((id) => machine.follow(id))
      for (let kills = 0; kills < 3; kills++) {
        await sleep(1_000)
        await machine.kill()
      }
      // Three unexplained ends: the user's own settings are left out of a safe start.
      expect((await machine.ask("GET", "/status")).body).toContain("safe_start")
      writeFileSync(join(machine.gateway.home, "config.json"), JSON.stringify(onCluster({ namespace: "elsewhere" })))
      await machine.gateway.run("daemon", "restart", "--normal")
      const views = await Promise.all(ids.map((id) => machine.ended(id, 60_000)))
      expect(views.map(({ exit_code, output, verdict }) => [verdict, exit_code, output.end, output.lines])).toEqual([
        ["succeeded", 0, "complete", 90],
        ["failed", 3, "complete", 90]
      ])
      for (const reader of await Promise.all(readers)) expect([reader.gaps, reader.lines.length]).toEqual([[], 90])
      expect(cluster.objects.created).toMatchObject({ jobs: 2, pods: 2 })
    } finally {
      await machine.gateway.remove()
    }
  })

  it("lets a run wait whose cluster it cannot reach for, and concludes nothing", async () => {
    const machine = await RunMachine.start({}, onCluster())
    try {
      const id = await machine.sh("echo before; sleep 3; echo after; exit 3")
      await machine.state(id, "live")
      await machine.gateway.stop()
      renameSync(cluster.kubeconfig, `${cluster.kubeconfig}.away`)
      machine.gateway.start()
      await machine.state(id, "waiting")
      expect((await machine.view(id)).message).toContain("it waits for its backend")
      expect(await machine.ask("POST", `/runs/${id}/cancel`)).toMatchObject({ status: 503 })
      renameSync(`${cluster.kubeconfig}.away`, cluster.kubeconfig)
      expect(await machine.ended(id)).toMatchObject({ verdict: "failed", exit_code: 3, output: { lines: 2 } })
      await eventually("it left the waiting ones", async () =>
        (await machine.ask("GET", "/runs")).body.includes("waiting") ? undefined : true
      )
    } finally {
      await machine.gateway.remove()
    }
  })
})
