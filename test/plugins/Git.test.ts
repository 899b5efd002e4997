/** Real git against git's own smart HTTP on loopback. */
import { Result } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import {
  attempt,
  fetched,
  filesOf,
  home,
  makeRoom,
  oneFile,
  refused,
  root,
  served,
  server,
  sourceOf
} from "./GitRoom.ts"
import { makeRepository, withoutGit } from "./GitServer.ts"

describe.skipIf(withoutGit !== null)("a plugin from a git repository", () => {
  it("is the commit of a tag, of an annotated tag, of a branch, of a commit id, and of HEAD", async () => {
    const repository = makeRepository(served, "all.git")
    const first = repository.commit({ "index.js": "first" })
    repository.git(["tag", "v1.0.0", first])
    const second = repository.commit({ "index.js": "second" })
    repository.git(["tag", "--annotate", "--message=two", "v2.0.0", second])
    repository.git(["tag", "--annotate", "--message=twice", "v2.0.1", "v2.0.0"])
    const third = repository.commit({ "index.js": "third" }, "next/one")
    const last = repository.commit({ "index.js": "last" })
    const url = `git+${server.url}all.git`
    const cases = [
      [`${url}#v1.0.0`, first, "first"],
      [sourceOf(url, "2.0.0"), second, "second"],
      [`${url}#v2.0.1`, second, "second"],
      [`${url}#next/one`, third, "third"],
      [`${url}#${first}`, first, "first"],
      [`${url}#${second.toUpperCase()}`, second, "second"],
      [url, last, "last"]
    ] as const
    for (const [source, commit, text] of cases) {
      const found = await fetched(source)
      expect(found.commit).toBe(commit)
      expect(filesOf(found.directory)).toEqual({ "index.js": text })
    }
  })

  it("is the tag where a branch has the same name", async () => {
    const repository = makeRepository(served, "same.git")
    const branch = repository.commit({ a: "branch" }, "v1.0.0")
    const tag = repository.commit({ a: "tag" })
    repository.git(["update-ref", "refs/tags/v1.0.0", tag])
    expect(branch).not.toBe(tag)
    expect((await fetched(`git+${server.url}same.git#v1.0.0`)).commit).toBe(tag)
  })

  it("is another commit once the tag was moved, and that is said", async () => {
    const repository = makeRepository(served, "moved.git")
    const before = repository.commit({ a: "before" })
    repository.git(["tag", "v1.0.0"])
    expect((await fetched(`git+${server.url}moved.git#v1.0.0`)).commit).toBe(before)
    const after = repository.commit({ a: "after" })
    repository.git(["tag", "--force", "v1.0.0"])
    expect((await fetched(`git+${server.url}moved.git#v1.0.0`)).commit).toBe(after)
  })

  it("is refused when the ref moves between what was announced and what was sent", async () => {
    const repository = makeRepository(served, "moving.git")
    repository.commit({ a: "before" })
    server.interfere = (question) => {
      const announced = server.questions.filter((each) => each === "refs").length
      if (question === "service" && announced === 1) repository.commit({ a: "after" })
      return undefined
    }
    const { message, reason } = await refused(`git+${server.url}moving.git#main`)
    expect(reason).toBe("git_clone_failed")
    expect(message).toMatch(/was given [0-9a-f]{40}, though [0-9a-f]{40} had been announced/)
  })

  it("takes names as a whole, and says which tags there are", async () => {
    const repository = makeRepository(served, "names.git")
    repository.commit(oneFile, "deep/main")
    for (const tag of ["v1.9.0", "v1.10.0", "v0.1.0", "old/v3", "x1", "x2", "x3"]) {
      repository.git(["tag", tag, "deep/main"])
    }
    for (const ref of ["v1", "v3", "tags/v1.9.0", "refs/heads/deep/main"]) {
      const { message, reason } = await refused(`git+${server.url}names.git#${ref}`)
      expect(reason).toBe("git_ref_not_found")
      expect(message).toContain("its tags: x3, x2, x1, v1.10.0, v1.9.0, …")
    }
    const { message, reason } = await refused(sourceOf(`git+${server.url}names.git`, "9.9.9"))
    expect({ message, reason }).toMatchObject({ reason: "git_ref_not_found" })
    expect(message).toContain("names.git#v9.9.9 is not there")
  })

  it("is not found where HEAD names nothing, a commit is missing, or a tag names no commit", async () => {
    const repository = makeRepository(served, "empty.git")
    expect(await refused(`git+${server.url}empty.git`)).toMatchObject({ reason: "git_ref_not_found" })
    expect(await refused(`git+${server.url}empty.git#${"1".repeat(40)}`)).toMatchObject({ reason: "git_ref_not_found" })
    repository.commit(oneFile)
    repository.git(["tag", "blob", repository.git(["rev-parse", "main:holdfast.plugin.json"])])
    const { message, reason } = await refused(`git+${server.url}empty.git#blob`)
    expect(reason).toBe("git_ref_not_found")
    expect(message).toContain("is no commit")
  })

  it("is not fetched when git is asked for what it would take for an option", async () => {
    const into = makeRoom()
    const ref = `--upload-pack=touch ${join(into, "owned")}`
    const found = await attempt({ ...sourceOf(`git+${server.url}names.git`), ref }, into)
    expect(Result.isFailure(found) && found.failure.reason).toBe("git_ref_not_found")
    const url = `--upload-pack=touch ${join(into, "owned")}`
    const other = await attempt({ kind: "git", url, ref: "a".repeat(40), protocol: "ssh" }, makeRoom())
    expect(Result.isFailure(other) && other.failure.reason).toBe("git_clone_failed")
    expect(existsSync(join(into, "owned"))).toBe(false)
  })
})

describe.skipIf(withoutGit !== null)("the files of a repository", () => {
  it("are its bytes, whatever its attributes and the user's settings would make of them", async () => {
    const ran = join(root, "ran")
    const touch = `touch ${ran}; cat`
    writeFileSync(
      join(home, ".gitconfig"),
      `[core]\n autocrlf = true\n eol = crlf\n attributesFile = ${join(home, "attributes")}\n hooksPath = ${join(home, "hooks")}\n` +
        ` fsmonitor = ${join(home, "hooks", "post-checkout")}\n` +
        `[init]\n templateDir = ${join(home, "template")}\n` +
        `[filter "evil"]\n smudge = "${touch}"\n process = "${touch}"\n required = true\n`
    )
    writeFileSync(join(home, "attributes"), "* text filter=evil\n")
    for (const hook of ["hooks", join("template", "hooks")]) {
      mkdirSync(join(home, hook), { recursive: true })
      for (const name of ["post-checkout", "reference-transaction", "post-index-change"]) {
        writeFileSync(join(home, hook, name), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 })
      }
    }
    const tree = {
      ".gitattributes":
        "*.crlf text eol=crlf\n*.id ident\n*.f filter=evil\n*.u working-tree-encoding=UTF-16\n[attr]odd text\n",
      "a.crlf": "one\ntwo\n",
      "b.crlf": "one\r\ntwo\n",
      "c.id": "$Id$ $Id: 0123 $\n",
      "d.f": "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
      "e.u": "é\n",
      "sub/.gitattributes": "* text eol=crlf filter=evil odd\n",
      "sub/f": "1\n2\n",
      "sub/bin": randomBytes(5_000)
    }
    makeRepository(served, "bytes.git").commit(tree)
    const { directory } = await fetched(`git+${server.url}bytes.git`)
    const wanted = Object.entries(tree).map(([path, bytes]) => [path, Buffer.from(bytes).toString("latin1")])
    expect(filesOf(directory)).toEqual(Object.fromEntries(wanted))
    expect(existsSync(ran)).toBe(false)
    expect(existsSync(join(directory, ".git", "hooks"))).toBe(false)
  })

  it("are not looked for where the environment of a surrounding git says", async () => {
    makeRepository(served, "around.git").commit(oneFile)
    const names = ["DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "COMMON_DIR", "NAMESPACE", "TEMPLATE_DIR"]
    for (const name of names) vi.stubEnv(`GIT_${name}`, "/dev/null/nowhere")
    vi.stubEnv("GIT_LITERAL_PATHSPECS", "1")
    vi.stubEnv("GIT_DEFAULT_HASH", "sha256")
    const { directory } = await fetched(`git+${server.url}around.git`)
    expect(filesOf(directory)).toEqual(oneFile)
  })

  it("are refused before any is written when one is a symbolic link", async () => {
    const into = makeRoom()
    makeRepository(served, "link.git").commit({ ...oneFile, "lib/to": { mode: "120000", to: "/etc/passwd" } })
    const found = Result.getOrThrow(Result.flip(await attempt(`git+${server.url}link.git`, into)))
    expect(found.reason).toBe("artifact_symlink_unsupported")
    expect(found.message).toContain('"lib/to" is a link')
    expect(filesOf(into)).toEqual({})
  })

  it("are refused when they are those of another repository", async () => {
    const to = "1".repeat(40)
    makeRepository(served, "module.git").commit({
      ...oneFile,
      ".gitmodules": `[submodule "vendor/x"]\n\tpath = vendor/x\n\turl = ${server.url}link.git\n`,
      "vendor/x": { mode: "160000", to }
    })
    const { message, reason } = await refused(`git+${server.url}module.git`)
    expect(reason).toBe("artifact_invalid")
    expect(message).toContain('"vendor/x" is a submodule')
  })

  it("are not written, nor judged, where no artifact has any", async () => {
    makeRepository(served, "skipped.git").commit({
      ...oneFile,
      "node_modules/.bin/x": { mode: "120000", to: "../x/x.js" },
      "deep/node_modules/x/x.js": "",
      "deep/.DS_Store": "",
      "deep/node_modules_too": "kept"
    })
    const { directory } = await fetched(`git+${server.url}skipped.git`)
    expect(filesOf(directory)).toEqual({ ...oneFile, "deep/node_modules_too": "kept" })
    makeRepository(served, "nothing.git").commit({ "node_modules/x": "" })
    expect(filesOf((await fetched(`git+${server.url}nothing.git`)).directory)).toEqual({})
  })

  it("are refused when git would find its own directory among them", async () => {
    const repository = makeRepository(served, "dotgit.git")
    const blob = repository.git(["hash-object", "-w", "--stdin"], "#!/bin/sh\n")
    const inner = repository.git(["mktree"], `100755 blob ${blob}\tpost-checkout\n`)
    const tree = repository.git(["mktree"], `040000 tree ${inner}\t.git\n`)
    repository.git(["update-ref", "refs/heads/main", repository.git(["commit-tree", "-m", "", tree])])
    const { message, reason } = await refused(`git+${server.url}dotgit.git`)
    expect(reason).toBe("artifact_invalid")
    expect(message).toContain("hasDotgit")
  })

  it("are refused when they are more than a plugin may have", async () => {
    const many = Array.from({ length: 10_001 }, (_, at) => [`f/${at}`, ""] as const)
    makeRepository(served, "many.git").commit(Object.fromEntries(many))
    expect(await refused(`git+${server.url}many.git`)).toMatchObject({ reason: "artifact_invalid" })
  })

  it("are refused when a few objects name more of them than can be listed", async () => {
    const repository = makeRepository(served, "bomb.git")
    const blob = repository.git(["hash-object", "-w", "--stdin"], "x")
    const names = [..."0123456789"]
    let tree = repository.git(["mktree"], names.map((name) => `100644 blob ${blob}\t${name}\n`).join(""))
    for (let depth = 0; depth < 9; depth++) {
      tree = repository.git(["mktree"], names.map((name) => `040000 tree ${tree}\t${name}\n`).join(""))
    }
    repository.git(["update-ref", "refs/heads/main", repository.git(["commit-tree", "-m", "", tree])])
    const { message, reason } = await refused(`git+${server.url}bomb.git`)
    expect(reason).toBe("artifact_invalid")
    expect(message).toContain("more than 10000 files")
  })

  it("are refused unwritten when a small pack holds a large one", async () => {
    const into = makeRoom()
    makeRepository(served, "large.git").commit({ zeros: Buffer.alloc(257 * 1024 * 1024) })
    const found = Result.getOrThrow(Result.flip(await attempt(`git+${server.url}large.git`, into)))
    expect(found.reason).toBe("artifact_invalid")
    expect(found.message).toContain("256 MiB")
    expect(existsSync(join(into, "zeros"))).toBe(false)
  })
})
