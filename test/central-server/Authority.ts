/** A certificate authority of a test's own, made with openssl. Good for nothing but tests. */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"

/** Whether openssl is installed. */
export const hasOpenssl = (): boolean => {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const openssl = (directory: string, ...args: ReadonlyArray<string>): void =>
  void execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] })

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

/** An authority in a directory: `ca.pem`, and what it vouches for. */
export class Authority {
  readonly certificate: string
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
    this.certificate = join(directory, "ca.pem")
    openssl(
      directory,
      "req",
      "-x509",
      ...KEY,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "30",
      "-subj",
      "/CN=test authority"
    )
  }

  /** Puts a pair into `NAME.pem` and `NAME.key`, good from an hour ago until `seconds` from now, for `names`. */
  issue(name: string, { names = ["DNS:localhost", "IP:127.0.0.1"], seconds = 30 * 86_400 } = {}) {
    const at = (offset: number) => new Date(Date.now() + offset * 1000).toISOString().replace(/[-:T]|\.\d+/g, "")
    const { directory } = this
    const subject = ["-subj", "/CN=central", "-addext", `subjectAltName=${names.join(",")}`]
    openssl(directory, "req", ...KEY, "-keyout", `${name}.key`, "-out", `${name}.csr`, ...subject)
    writeFileSync(join(directory, "index.txt"), "")
    writeFileSync(join(directory, "serial"), `${Date.now()}0`.slice(-12) + "\n")
    writeFileSync(join(directory, "index.txt.attr"), "unique_subject = no\n")
    writeFileSync(join(directory, "ca.cnf"), CONFIG)
    const files = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-notext"]
    const times = ["-startdate", at(-3600), "-enddate", at(seconds)]
    openssl(directory, "ca", "-batch", "-config", "ca.cnf", ...files, ...times)
    return { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) }
  }
}

const CONFIG = `
[ca]
default_ca = it
[it]
dir = .
new_certs_dir = .
database = index.txt
serial = serial
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`
