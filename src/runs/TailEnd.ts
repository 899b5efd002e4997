/** What a tail came to, for people and for the run's verdict. */
import type { Gap, TailCheckpoint, TailOutcome } from "../domain/index.ts"
import type { TailEnd } from "../../machines/index.ts"
import { contextOf, type TailFile } from "./TailFile.ts"

/** Where tailing would go on: exactly behind what is acknowledged. */
export const checkpointOf = ({ gaps, inode, line, offset, path, spec }: TailFile): TailCheckpoint | null =>
  inode === null ? spec.from : { path, inode: String(inode), offset, line, gaps }

/** The outcome of a tail whose machine has settled. What is missing at the end is a gap like any other. */
export const outcomeOf = (file: TailFile): TailOutcome => {
  const end = file.instance.snapshot.value as TailEnd
  const { line, offset, record } = file
  const missingBytes = end === "complete" || record === null ? 0 : Math.max(0, record.bytes - offset)
  const isOpen = end === "missing" || end === "incomplete"
  const rest: Gap = { from: offset, to: record === null ? null : record.bytes, reason: "unreadable" }
  return {
    end,
    bytes: offset,
    lines: line,
    missingBytes,
    gaps: isOpen && (record === null || missingBytes > 0) ? [...file.gaps, rest] : file.gaps,
    message: messageOf(file, end, missingBytes)
  }
}

const messageOf = (file: TailFile, end: TailEnd, missingBytes: number): string | null => {
  const { offset, path, record } = file
  switch (end) {
    case "complete":
      return null
    case "missing":
      return offset === 0 ? `Pod log file never appeared at ${path}` : `Pod log file is not at ${path} any more`
    case "corrupt":
      return contextOf(file).promise?.truncated === true
        ? `The output at ${path} is not all that the agent wrote: it truncated its own output`
        : `The output at ${path} is not what its end-of-stream record describes: length or SHA-256 differ`
    case "incomplete":
      if (record === null)
        return `Nobody knows whether the output at ${path} is complete: it has no end-of-stream record`
      if (missingBytes === 0)
        return `The output at ${path} was delivered, but could not be read again to compare its SHA-256`
      return `${missingBytes} of ${record.bytes} bytes of the output at ${path} did not arrive${
        record.volume_error === undefined ? "" : `: ${record.volume_error}`
      }`
  }
}
