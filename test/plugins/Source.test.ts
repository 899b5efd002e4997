import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { parseSource, type PluginSource, showSource } from "../../src/domain/PluginSource.ts"

const served = (text: string, version: string | null = null) => parseSource(text, { version, mayBeLocal: false })
const local = (text: string) => parseSource(text, { version: null, mayBeLocal: true })
const reasonOf = (result: Result.Result<PluginSource, { readonly reason: string }>) =>
  Result.isFailure(result) ? result.failure.reason : "accepted"
const messageOf = (text: string, version: string | null = null) =>
  Result.getOrThrow(Result.flip(served(text, version))).message
const commit = "0123456789abcdef0123456789abcdef01234567"

describe("a source of a plugin", () => {
  it("is a repository, with what is wanted of it", () => {
    const git = (url: string, ref: string | null, protocol: string) => ({ kind: "git", url, ref, protocol })
    const cases = [
      ["git+https://h.example/o/r.git", git("https://h.example/o/r.git", null, "https")],
      ["git+https://h.example/o/r#main", git("https://h.example/o/r", "main", "https")],
      [`GIT+HTTPS://H.example:443/r#${commit}`, git("https://h.example/r", commit, "https")],
      ["git+https://h.example/r#feature/one#2", git("https://h.example/r", "feature/one#2", "https")],
      ["git+ssh://git@h.example:2222/~o/r.git#v1", git("ssh://git@h.example:2222/~o/r.git", "v1", "ssh")],
      ["git+ssh://h_1.example/r", git("ssh://h_1.example/r", null, "ssh")],
      ["git+http://127.0.0.1:8080/r", git("http://127.0.0.1:8080/r", null, "http")],
      ["git+http://127.3/r", git("http://127.0.0.3/r", null, "http")],
      ["git+http://[::1]:8080/r", git("http://[::1]:8080/r", null, "http")],
      ["git+http://localhost/r", git("http://localhost/r", null, "http")]
    ] as const
    for (const [text, source] of cases) expect(served(text)).toEqual(Result.succeed(source))
  })

  it("is a tarball", () => {
    for (const url of [
      "https://registry.npmjs.org/@o/p/-/p-1.0.0.tgz",
      "https://h.example/o/r/archive/v1.tar.gz",
      "https://h.example/p.TGZ?download=1",
      "http://localhost:1/p.tgz"
    ]) {
      expect(served(url)).toEqual(Result.succeed({ kind: "tarball", url }))
    }
  })

  it("is a folder, for somebody at this machine alone", () => {
    for (const path of ["/opt/a plugin", "./p", "../p", ".", "..", "/", "./-p"]) {
      expect(local(path)).toEqual(Result.succeed({ kind: "folder", path }))
      expect(reasonOf(served(path))).toBe("source_forbidden")
    }
    expect(local("file:///opt/a%20plugin")).toEqual(Result.succeed({ kind: "folder", path: "/opt/a plugin" }))
    expect(local("file://localhost/opt/p")).toEqual(Result.succeed({ kind: "folder", path: "/opt/p" }))
    for (const url of ["file:///opt/p", "FILE:///opt/p", "file:p"])
      expect(reasonOf(served(url))).toBe("source_forbidden")
    expect(messageOf("/opt/p")).toContain("a document may never name")
    for (const url of ["file://other.example/opt/p", "file:///opt/%00", "file:///p?q", "file:///%E0%A4%A"]) {
      expect(reasonOf(local(url))).toBe("source_forbidden")
    }
  })

  it("takes the tag of the pinned version from a repository", () => {
    const source = served("git+https://h.example/r", "1.2.3-rc.1+b")
    expect(source).toMatchObject({ success: { ref: "v1.2.3-rc.1+b" } })
    expect(served("https://h.example/p.tgz", "1.2.3")).toMatchObject({ success: { kind: "tarball" } })
    expect(reasonOf(served("git+https://h.example/r", "1..2"))).toBe("source_forbidden")
  })

  it("is ambiguous with a ref beside a pinned version", () => {
    for (const ref of ["v1.2.3", "main", ""]) {
      expect(reasonOf(served(`git+https://h.example/r#${ref}`, "1.2.3"))).toBe("source_ambiguous")
    }
    expect(messageOf("git+https://h.example/r#main", "1.2.3")).toContain("a ref beside a pinned version")
  })

  it("crosses no network in the clear", () => {
    for (const text of [
      "git+http://h.example/r",
      "http://h.example/p.tgz",
      "http://127.0.0.1.example/p.tgz",
      "http://localhost.example/p.tgz",
      "http://2130706434.example/p.tgz",
      "http://[::2]/p.tgz"
    ]) {
      expect(messageOf(text)).toContain("in the clear")
    }
    expect(messageOf("git://h.example/r")).toContain("neither encrypted nor signed")
  })

  it("holds no secret, and the message does not repeat it", () => {
    for (const text of [
      "git+https://s3cret@h.example/r",
      "git+https://user:s3cret@h.example/r",
      "git+https://:s3cret@h.example/r",
      "git+https://user:s3/cret@h.example/r",
      "git+http://s3cret@localhost/r",
      "git+ssh://git:s3cret@h.example/r",
      "https://user:s3cret@h.example/p.tgz",
      "https://h.example/p.tgz?token=s3cret",
      "https://h.example/p.tgz?a=b&X-Amz-Signature=s3cret",
      "https://h.example/p.tgz?private%5ftoken=s3cret"
    ]) {
      expect(reasonOf(served(text))).toBe("source_forbidden")
      expect(messageOf(text)).not.toMatch(/s3/)
    }
    expect(messageOf("git+https://s3cret@h.example/r")).toMatch(
      /^The source https:\/\/h\.example\/r has .*credential helper/
    )
  })

  it("is nothing that a program would take for an option", () => {
    for (const text of [
      "-u./x",
      "--upload-pack=touch x",
      "git+ssh://-oProxyCommand=touch%20x/r",
      "git+ssh://%2DoProxyCommand=x/r",
      "git+ssh://-oProxyCommand=x@h.example/r",
      "git+ssh://%2Dx@h.example/r",
      "git+https://-h.example/r",
      "git+https://h.example/r#-f",
      "git+https://h.example/r#--upload-pack=x"
    ]) {
      expect(reasonOf(served(text))).toBe("source_forbidden")
    }
  })

  it("has a ref that git allows", () => {
    for (const ref of [
      "",
      "a..b",
      "a b",
      "a~1",
      "a^",
      "a:b",
      "semver:^1",
      "a?",
      "a*",
      "a[b",
      "a\\b",
      "a@{1}",
      "@",
      "/a",
      "a/",
      "a//b",
      ".a",
      "a/.b",
      "a.",
      "a.lock",
      "a.lock/b",
      "a\u00a0b",
      "x".repeat(251)
    ]) {
      expect([ref, messageOf(`git+https://h.example/r#${ref}`)]).toEqual([
        ref,
        expect.stringContaining("has a ref that")
      ])
    }
    for (const ref of ["a-b", "a@b", "é", "v1.0.0+x", "a{b}", "%2F", "a.locks"]) {
      expect(served(`git+https://h.example/r#${ref}`)).toMatchObject({ success: { ref } })
    }
  })

  it("is of a kind that is installed from, or the message says how such a thing is written", () => {
    for (const [text, advice] of [
      ["", "is empty"],
      ["git@github.com:o/r.git", "git+ssh://USER@HOST/PATH"],
      ["ssh://git@h.example/r", "write git+ssh://"],
      ["https://github.com/o/r", "write git+https://"],
      ["https://github.com/o/r.git", "write git+https://"],
      ["https://h.example/p.tgz#1", "artifact_hash"],
      ["git+https://h.example/r?a=b", "has a query"],
      ["git+https://h.example", "add its path"],
      ["git+https://", "is no URL"],
      ["git+https:h.example/r", "names no kind"],
      ["git+https://h.example:99999/r", "is no URL"],
      ["git+https://h.example/a b", "is no URL"],
      ["git+https://h.example/a%0ab", "control characters"],
      ["git+file:///opt/r", "of a kind that nothing"],
      ["ftp://h.example/p.tgz", "of a kind that nothing"],
      ["ext::sh -c touch", "names no kind"],
      ["javascript:alert(1)", "names no kind"],
      ["github:o/r", "names no kind"],
      ["some-plugin", "names no kind"],
      ["~/plugin", "names no kind"],
      ["C:\\plugin", "names no kind"],
      ["git+https://h.example/r\n", "cannot be printed"],
      ["/opt/\0", "cannot be printed"],
      ["https://h.example/\ud800.tgz", "cannot be printed"],
      [`https://h.example/${"p".repeat(10_000)}.tgz`, "longer than 2048"]
    ] as const) {
      expect(reasonOf(served(text))).toBe("source_forbidden")
      expect(messageOf(text)).toContain(advice)
      expect(messageOf(text).length).toBeLessThan(500)
      expect(messageOf(text)).not.toMatch(/\p{Cc}/u)
    }
    expect(Result.getOrThrow(Result.flip(local("plugin"))).message).toContain("begins with / or ./")
  })

  it("is shown as it is written", () => {
    for (const text of [
      "git+https://h.example/r#main",
      "git+ssh://git@h.example/r",
      "https://h.example/p.tgz",
      "./p"
    ]) {
      expect(showSource(Result.getOrThrow(local(text)))).toBe(text)
    }
  })
})
