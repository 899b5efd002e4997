/** How a process of ours ends, for certain. */

const SHELL = "/bin/sh"

/**
 * Ends this process with `code`, at once, as `process.exit` does, but without waiting for V8's own threads: one that
 * compiles in the background may be waiting for a collection that only this thread could do, and then neither ends, ever
 * (nodejs/node#54918, open as of Node 24; a policy of small heaps makes it likely). A program that is put into the place of
 * this one has no threads to wait for. Listeners of "exit" are not called. Where there is no shell, it is `process.exit`.
 */
export const endProcess = (code: number): never => {
  const { process } = globalThis
  if (process.execve !== undefined && isThere(SHELL)) process.execve(SHELL, ["sh", "-c", `exit ${code}`], {})
  return process.exit(code)
}

const isThere = (program: string): boolean => {
  const { accessSync, constants } = globalThis.process.getBuiltinModule("node:fs")
  try {
    accessSync(program, constants.X_OK)
    return true
  } catch {
    return false
  }
}
