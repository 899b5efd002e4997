/** Effect's `FileSystem` on a disk of `Disk.ts`: every call is a moment at which the power may fail, or the call may. */
import { Effect, FileSystem, Layer, Option } from "effect"
import * as ByteSize from "effect/ByteSize"
import { systemError, type PlatformError, type SystemErrorTag } from "effect/PlatformError"
import {
  contentOf,
  createFile,
  type Disk,
  forget,
  type Ino,
  type Inode,
  lookUp,
  makeDirectory,
  openFile,
  readDirectory,
  readFile,
  readLink,
  Refused,
  rename,
  symlink,
  sync,
  unlink,
  write
} from "./Disk.ts"

/** Names of the operations as a fault or a cut sees them. */
export type Operation =
  | "create"
  | "fsync"
  | "lstat"
  | "mkdir"
  | "open"
  | "read"
  | "readdir"
  | "readlink"
  | "rename"
  | "stat"
  | "symlink"
  | "unlink"
  | "write"

/** Operations that change a disk, or make what changed durable: cuts between others leave the same disks. */
export const CHANGES: ReadonlySet<Operation> = new Set([
  "create",
  "fsync",
  "mkdir",
  "rename",
  "symlink",
  "unlink",
  "write"
])

/** How a call fails: with nothing done, with all of it done, or (writes, fsync) with part of it. */
export interface Fault {
  readonly code: string
  /** `short`: half of the bytes are read or written, and the call says that all is well. */
  readonly done: "none" | "all" | "part" | "short"
}

/** A disk in use. */
export interface Mounted {
  disk: Disk
  /** Told before each operation. */
  before: (operation: Operation, path: string) => void
  /** What goes wrong with the operation that comes. */
  fault: (operation: Operation, path: string) => Fault | undefined
}

export const mount = (disk: Disk): Mounted => ({ disk, before: () => {}, fault: () => undefined })

const TAGS: Readonly<Record<string, SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  EBUSY: "Busy",
  ELOOP: "BadResource"
}

const platformError = (method: string, path: string, code: string): PlatformError =>
  systemError({
    _tag: TAGS[code] ?? "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: Object.assign(new Error(`${code}: ${method} ${path}`), { code })
  })

/** The file system of a mounted disk. `boot_id` is what the kernel of this boot says. */
export const layerMounted = (mounted: Mounted, bootId: () => string): Layer.Layer<FileSystem.FileSystem> => {
  const call = <A>(operation: Operation, path: string, run: () => A, part?: () => A): Effect.Effect<A, PlatformError> =>
    Effect.suspend(() => {
      mounted.before(operation, path)
      const fault = mounted.fault(operation, path)
      try {
        if (fault === undefined) return Effect.succeed(run())
        if (fault.done === "short") return Effect.succeed((part ?? run)())
        if (fault.done === "all") run()
        if (fault.done === "part") part?.()
        return Effect.fail(platformError(operation, path, fault.code))
      } catch (error) {
        if (error instanceof Refused) return Effect.fail(platformError(operation, path, error.code))
        throw error
      }
    })

  const put = (disk: Disk): void => void (mounted.disk = disk)

  const removeTree: (path: string) => Effect.Effect<void, PlatformError> = Effect.fnUntraced(function* (path: string) {
    const inode = yield* call("lstat", path, () => lookUp(mounted.disk, path, false))
    if (inode.kind === "directory") {
      const names = yield* call("readdir", path, () => readDirectory(mounted.disk, path))
      for (const name of names) yield* removeTree(`${path}/${name}`)
    }
    yield* call("unlink", path, () => put(unlink(mounted.disk, path)))
  })

  const fileOf = (path: string, ino: Ino): FileSystem.File => {
    const cannot = () => Effect.die("not modelled")
    let cursor = 0
    const readInto = (buffer: Uint8Array, most: number): number => {
      const chunk = contentOf(mounted.disk, ino, path).subarray(cursor, cursor + most)
      buffer.set(chunk)
      cursor += chunk.length
      return chunk.length
    }
    const append = (bytes: Uint8Array) =>
      call(
        "write",
        path,
        () => put(write(mounted.disk, ino, bytes)),
        () => put(write(mounted.disk, ino, halfOf(bytes)))
      )
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      stat: call("stat", path, () => infoOf(inodeAt(mounted.disk, ino), ino)),
      sync: call(
        "fsync",
        path,
        () => put(sync(mounted.disk, ino)),
        () => put(forget(mounted.disk, ino))
      ),
      write: (bytes) => Effect.as(append(bytes), bytes.length),
      writeAll: append,
      seek: cannot,
      read: (buffer) =>
        call(
          "read",
          path,
          () => readInto(buffer, buffer.length),
          () => readInto(buffer, Math.max(1, buffer.length >> 1))
        ),
      readAlloc: cannot,
      truncate: cannot
    }
  }

  return Layer.succeed(
    FileSystem.FileSystem,
    FileSystem.make({
      ...FileSystem.makeNoop({}),
      access: (path) => Effect.asVoid(call("stat", path, () => lookUp(mounted.disk, path, true))),
      chmod: (path) => Effect.asVoid(call("stat", path, () => lookUp(mounted.disk, path, true))),
      lstat: (path) => call("lstat", path, () => infoOf(lookUp(mounted.disk, path, false), 0)),
      stat: (path) => call("stat", path, () => infoOf(lookUp(mounted.disk, path, true), 0)),
      makeDirectory: (path) => call("mkdir", path, () => put(makeDirectory(mounted.disk, path))),
      open: (path, options) => {
        const flag = options?.flag ?? "r"
        if (flag === "r") {
          return Effect.map(
            call("open", path, () => openFile(mounted.disk, path, options?.noFollow !== true)),
            (ino) => fileOf(path, ino)
          )
        }
        if (flag !== "wx") return Effect.die(`open with flag ${flag} is not modelled`)
        return call("create", path, () => {
          const [disk, ino] = createFile(mounted.disk, path)
          put(disk)
          return fileOf(path, ino)
        })
      },
      readDirectory: (path) =>
        Effect.map(
          call("readdir", path, () => readDirectory(mounted.disk, path)),
          (names) => [...names]
        ),
      readFile: (path) =>
        path === "/proc/sys/kernel/random/boot_id"
          ? call("read", path, () => new TextEncoder().encode(bootId()))
          : call(
              "read",
              path,
              () => readFile(mounted.disk, path).slice(),
              () => halfOf(readFile(mounted.disk, path))
            ),
      readLink: (path) => call("readlink", path, () => readLink(mounted.disk, path)),
      realPath: (path) => Effect.succeed(path),
      remove: (path, options) =>
        (options?.recursive === true
          ? removeTree(path)
          : call("unlink", path, () => put(unlink(mounted.disk, path)))
        ).pipe(
          Effect.catchIf(
            (error) => options?.force === true && error.reason._tag === "NotFound",
            () => Effect.void
          )
        ),
      rename: (from, to) => call("rename", to, () => put(rename(mounted.disk, from, to))),
      symlink: (target, path) => call("symlink", path, () => put(symlink(mounted.disk, target, path)))
    })
  )
}

const halfOf = (bytes: Uint8Array): Uint8Array => bytes.slice(0, bytes.length >> 1)

const inodeAt = (disk: Disk, ino: Ino): Inode => {
  const inode = disk.inodes.get(ino)
  if (inode === undefined) throw new Error(`inode ${ino} is gone`)
  return inode
}

const TYPES = { file: "File", directory: "Directory", link: "SymbolicLink" } as const

const infoOf = (inode: Inode, ino: Ino): FileSystem.File.Info => ({
  type: TYPES[inode.kind],
  mtime: Option.none(),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.some(BigInt(ino)),
  mode: 0o600,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: ByteSize.bytes(inode.kind === "file" ? inode.content.length : 0),
  blksize: Option.none(),
  blocks: Option.none()
})

/** Bytes of an open file, for tests. */
export const bytesOf = (mounted: Mounted, ino: Ino): Uint8Array => contentOf(mounted.disk, ino, "")
