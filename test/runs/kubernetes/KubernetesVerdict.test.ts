import { describe, expect, it } from "vitest"
import type { JobSeen, PodSeen } from "../../../src/runs/kubernetes/KubernetesObjects.ts"
import { lookAt } from "../../../src/runs/kubernetes/KubernetesVerdict.ts"

const metadata = (uid: string) => ({ name: uid, uid })
const job = (...conditions: ReadonlyArray<readonly [type: string, reason: string]>): JobSeen => ({
  metadata: metadata("j"),
  status: { conditions: conditions.map(([type, reason]) => ({ type, status: "True", reason, message: "words" })) }
})
const pod = (status: PodSeen["status"], gone = false) => ({ pod: { metadata: metadata("p"), status }, gone })
const ended = (exitCode: number, reason = "Error", message = "") =>
  pod({ phase: "Failed", containerStatuses: [{ name: "agent", state: { terminated: { exitCode, reason, message } } }] })
const running = pod({ phase: "Running", containerStatuses: [{ name: "agent", state: { running: {} } }] })
const record = `${JSON.stringify({ exit_code: 0, signal: null, bytes: 3, lines: 1, sha256: "0" })}   \n`
const exited = (exitCode: number, signal: number | null = null) => ({
  _tag: "Ended",
  end: { kind: "exited", end: { exitCode, signal } }
})
const failed = (words: string) => ({ _tag: "Ended", end: { kind: "failed", message: expect.stringContaining(words) } })

describe("what a cluster says of a run", () => {
  it("is believed in this order: termination message, terminated state, condition of the Job", () => {
    expect(lookAt({ job: job(), pods: [ended(1, "Error", record)] }, false)).toEqual(exited(0))
    expect(lookAt({ job: job(["Complete", "x"]), pods: [ended(3)] }, false)).toEqual(exited(3))
    expect(lookAt({ job: job(["Complete", "x"]), pods: [] }, false)).toEqual(exited(0))
    expect(lookAt({ job: job(["Failed", "BackoffLimitExceeded"]), pods: [] }, false)).toEqual(
      failed("BackoffLimitExceeded: words")
    )
  })

  it("tells a deadline from an end, and waits for the Job's word where it may still be one", () => {
    const late = job(["FailureTarget", "DeadlineExceeded"])
    expect(lookAt({ job: late, pods: [ended(143)] }, true)).toEqual({ _tag: "Ended", end: { kind: "deadline" } })
    expect(lookAt({ job: late, pods: [running] }, true)).toMatchObject({ _tag: "Ending", patience: "pod" })
    expect(lookAt({ job: job(), pods: [ended(143)] }, true)).toMatchObject({ _tag: "Ending", patience: "condition" })
    expect(lookAt({ job: job(), pods: [ended(143)] }, false)).toEqual(exited(143, 15))
    expect(lookAt({ job: null, pods: [ended(143)] }, true)).toEqual(exited(143, 15))
    expect(lookAt({ job: job(["Failed", "BackoffLimitExceeded"]), pods: [ended(143)] }, true)).toEqual(exited(143, 15))
  })

  it("is no exit status where no process had one", () => {
    expect(lookAt({ job: job(), pods: [ended(137, "ContainerStatusUnknown")] }, false)).toMatchObject({
      end: { kind: "gone" }
    })
    expect(lookAt({ job: job(), pods: [ended(137, "OOMKilled")] }, false)).toEqual(failed("more memory"))
    expect(lookAt({ job: job(), pods: [ended(128, "StartError", "no sh")] }, false)).toEqual(
      failed("StartError: no sh")
    )
    const evicted = pod({ phase: "Failed", reason: "Evicted", message: "disk" })
    expect(lookAt({ job: job(), pods: [evicted] }, false)).toEqual(failed("Evicted: disk"))
    const lost = pod({ phase: "Failed", reason: "NodeLost" })
    expect(lookAt({ job: job(), pods: [lost] }, false)).toEqual(failed("NodeLost"))
  })

  it("is a wait or a failure by the reason that a container waits for", () => {
    const waits = (reason: string) =>
      lookAt(
        {
          job: job(),
          pods: [pod({ phase: "Pending", containerStatuses: [{ name: "agent", state: { waiting: { reason } } }] })]
        },
        false
      )
    const hopeless = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]
    for (const reason of hopeless) expect(waits(reason)).toEqual(failed(reason))
    for (const reason of ["ContainerCreating", "PodInitializing"]) {
      expect(waits(reason)).toEqual({ _tag: "Waiting", problem: reason })
    }
    expect(lookAt({ job: job(), pods: [] }, false)).toMatchObject({ _tag: "Waiting" })
    const init = pod({
      phase: "Pending",
      initContainerStatuses: [{ name: "prompt", state: { terminated: { exitCode: 2 } } }]
    })
    expect(lookAt({ job: job(), pods: [init] }, false)).toEqual(failed("exit code 2"))
  })

  it("is that nothing is there only when neither Job nor pod is", () => {
    expect(lookAt({ job: null, pods: [] }, false)).toEqual({ _tag: "Absent" })
    expect(lookAt({ job: null, pods: [running] }, false)).toEqual({ _tag: "Running" })
    expect(lookAt({ job: null, pods: [{ ...running, gone: true }] }, false)).toEqual({ _tag: "Absent" })
    expect(lookAt({ job: null, pods: [{ ...ended(4), gone: true }] }, false)).toEqual(exited(4))
  })
})
