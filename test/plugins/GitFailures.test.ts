/** Servers that fail, hang and lead astray, and what the user's own settings have to say. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Fiber, Result } from "effect"
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:https"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { fetchGit, type GitBounds } from "../../src/plugins/Git.ts"
import { certificate, key } from "../central/SelfSigned.ts"
import {
  attempt,
  fetched,
  filesOf,
  home,
  makeRoom,
  oneFile,
  refused,
  running,
  served,
  server,
  sourceOf
} from "./GitRoom.ts"
import { makeRepository, startGitServer, withoutGit } from "./GitServer.ts"

/** Stands in for ssh: the last argument is run here. */
const sshScript = (mark: string, said: string): string =>
  `#!/bin/sh\necho "${mark} $*" >> ${said}\nfor last; do :; done\nexec sh -c "$last"\n`

describe.skipIf(withoutGit !== null)("a fetch that goes wrong", () => {
  const url = () => `git+${server.url}wrong.git`
  const noise = randomBytes(6 * 1024 * 1024)
  beforeAll(() => void makeRepository(served, "wrong.git").commit({ noise }))

  it("says what the server answered", async () => {
    const absent = await refused(`git+${server.url}absent.git#v1`)
    expect(absent.reason).toBe("git_clone_failed")
    expect(absent.message).toMatch(/ended with exit code 128\..* not found/)
    server.interfere = () => ({ status: 500 })
    const broken = await refused(url())
    expect(broken.reason).toBe("git_clone_failed")
    expect(broken.message).toContain("error: 500")
    server.interfere = () => ({ status: 401 })
    const closed = await refused(url())
    expect(closed.reason).toBe("git_clone_failed")
    expect(closed.message).toContain("credential helper")
  })

  it("says that nobody is there", async () => {
    const away = await startGitServer(served)
    await away.close()
    const { message, reason } = await refused(`git+${away.url}wrong.git`)
    expect(reason).toBe("git_clone_failed")
    expect(message).toContain("Failed to connect")
  })

  it("says that the connection was cut in the middle of the pack", async () => {
    server.interfere = (question) => (question === "pack" ? { ends: "cut", after: 1_000_000 } : undefined)
    const { message, reason } = await refused(url())
    expect(reason).toBe("git_clone_failed")
    expect(message).toContain("early EOF")
    expect(server.questions).toContain("pack")
  })

  it("ends at its deadline, and no program is left behind", async () => {
    server.interfere = (question) => (question === "pack" ? { ends: "hang", after: 1_000_000 } : undefined)
    const into = makeRoom()
    const found = attempt(url(), into, { deadline: "5 seconds", maxBytes: 1e9 })
    await vi.waitFor(
      () => expect(running(into).join("\n")).toMatch(/remote-http[^]*index-pack|index-pack[^]*remote-http/),
      {
        timeout: 4_900
      }
    )
    const failure = Result.getOrThrow(Result.flip(await found))
    expect(failure.reason).toBe("git_clone_failed")
    expect(failure.message).toContain("did not end within 5s")
    expect(running(into)).toEqual([])
  })

  it("leaves no program behind when it is interrupted", async () => {
    server.interfere = (question) => (question === "refs" ? { ends: "hang", after: 0 } : undefined)
    const into = makeRoom()
    const fiber = Effect.runFork(fetchGit(sourceOf(url()), into).pipe(Effect.provide(NodeServices.layer)))
    await vi.waitFor(() => expect(running(into).join("\n")).toContain("remote-http"), { timeout: 20_000 })
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(running(into)).toEqual([])
  })

  it("is ended while it takes more room than it may", async () => {
    server.interfere = (question) => (question === "pack" ? { ends: "hang", after: 4_000_000 } : undefined)
    const into = makeRoom()
    const found = await attempt(url(), into, { deadline: "1 minute", maxBytes: 2_000_000 })
    expect(Result.getOrThrow(Result.flip(found)).reason).toBe("artifact_invalid")
    expect(running(into)).toEqual([])
  })

  it("is refused when what came takes more room than it may", async () => {
    const bounds: GitBounds = { deadline: "1 minute", maxBytes: 2_000_000 }
    expect((await refused(url(), bounds)).reason).toBe("artifact_invalid")
  })

  it("says that there is no git", async () => {
    vi.stubEnv("PATH", home)
    const { message, reason } = await refused(url())
    expect(reason).toBe("git_unavailable")
    expect(message).toMatch(/ENOENT.*install git/)
  })

  it("does not show the secret of a URL that the user's settings put in the place of ours", async () => {
    const secret = server.url.replace("//", "//s3cret@")
    writeFileSync(join(home, ".gitconfig"), `[url "${secret}"]\n insteadOf = http://localhost/\n`)
    server.interfere = () => ({ status: 401, headers: { "www-authenticate": "Basic" } })
    const { message, reason } = await refused("git+http://localhost/wrong.git")
    expect(reason).toBe("git_clone_failed")
    expect(message).toContain("could not read Password for 'http://127.0.0.1")
    expect(message).not.toContain("s3cret")
  })
})

describe.skipIf(withoutGit !== null)("a repository elsewhere", () => {
  it("is not looked for where plain http leads", async () => {
    makeRepository(served, "redirected.git").commit(oneFile)
    const other = await startGitServer(served)
    server.interfere = () => ({
      status: 302,
      headers: { location: `${other.url}redirected.git/info/refs?service=git-upload-pack` }
    })
    const { reason } = await refused(`git+${server.url}redirected.git`)
    expect(reason).toBe("git_clone_failed")
    expect(other.questions).toEqual([])
    await other.close()
  })

  it("is looked for at another https address, but never from there in the clear", async () => {
    makeRepository(served, "secure.git").commit(oneFile)
    writeFileSync(join(home, "authority.pem"), certificate)
    vi.stubEnv("GIT_SSL_CAINFO", join(home, "authority.pem"))
    const start = () => startGitServer(served, (listener) => createServer({ cert: certificate, key }, listener))
    const [secure, other] = [await start(), await start()]
    const refs = "secure.git/info/refs?service=git-upload-pack"
    expect(filesOf((await fetched(`git+${secure.url}secure.git`)).directory)).toEqual(oneFile)
    secure.interfere = () => ({ status: 302, headers: { location: `${other.url}${refs}` } })
    expect(filesOf((await fetched(`git+${secure.url}secure.git`)).directory)).toEqual(oneFile)
    secure.interfere = () => ({ status: 302, headers: { location: `${server.url}${refs}` } })
    expect(await refused(`git+${secure.url}secure.git`)).toMatchObject({ reason: "git_clone_failed" })
    expect(server.questions).toEqual([])
    await Promise.all([secure.close(), other.close()])
  })

  it("is asked with what the user's credential helper has, and with nothing where it has nothing", async () => {
    makeRepository(served, "private.git").commit(oneFile)
    const wanted = `Basic ${Buffer.from("somebody:word").toString("base64")}`
    server.interfere = (_, authorization) =>
      authorization === wanted ? undefined : { status: 401, headers: { "www-authenticate": "Basic" } }
    const { message, reason } = await refused(`git+${server.url}private.git`)
    expect(reason).toBe("git_clone_failed")
    expect(message).toContain("could not read Username")
    writeFileSync(
      join(home, ".gitconfig"),
      '[credential]\n helper = "!echo username=somebody; echo password=word; :"\n'
    )
    expect(filesOf((await fetched(`git+${server.url}private.git`)).directory)).toEqual(oneFile)
  })

  it("is asked over ssh without a question to anybody, with the user's ssh if there is one", async () => {
    const repository = makeRepository(served, "ssh.git")
    const commit = repository.commit(oneFile)
    const said = join(home, "said")
    const bin = join(home, "bin")
    mkdirSync(bin)
    writeFileSync(join(bin, "ssh"), sshScript("ssh", said), { mode: 0o755 })
    writeFileSync(join(bin, "own-ssh"), sshScript("own", said), { mode: 0o755 })
    vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`)
    const source = `git+ssh://git@host.example${repository.directory}`
    expect((await fetched(source)).commit).toBe(commit)
    expect(readFileSync(said, "utf8")).toMatch(/^ssh -oBatchMode=yes .*git@host\.example git-upload-pack/)
    for (const settings of ["environment", "file"]) {
      rmSync(said)
      if (settings === "environment") vi.stubEnv("GIT_SSH_COMMAND", "own-ssh -i key")
      else {
        vi.stubEnv("GIT_SSH_COMMAND", undefined)
        writeFileSync(join(home, ".gitconfig"), "[core]\n sshCommand = own-ssh -i key\n")
      }
      expect((await fetched(source)).commit).toBe(commit)
      expect(readFileSync(said, "utf8")).toMatch(/^own -i key .*git@host\.example git-upload-pack/m)
    }
  })

  it("is where the user's settings say, if that is no less safe", async () => {
    const repository = makeRepository(served, "mirror.git")
    repository.commit(oneFile)
    writeFileSync(join(home, "ssh"), sshScript("ssh", "/dev/null"), { mode: 0o755 })
    writeFileSync(
      join(home, ".gitconfig"),
      `[url "ssh://mirror.example${served}/"]\n insteadOf = https://central.example/\n` +
        `[url "file://${served}/"]\n insteadOf = https://files.example/\n` +
        `[core]\n sshCommand = ${join(home, "ssh")}\n`
    )
    expect(filesOf((await fetched("git+https://central.example/mirror.git")).directory)).toEqual(oneFile)
    const { message, reason } = await refused("git+https://files.example/mirror.git")
    expect(reason).toBe("git_clone_failed")
    expect(message).toContain("transport 'file' not allowed")
  })
})
