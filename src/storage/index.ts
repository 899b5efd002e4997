/** Durable files: atomic writes, slots, and the single-instance lock. */
export { DaemonLock, LockHeld } from "./DaemonLock.ts"
export { directoryMode, DurableFiles, fileMode } from "./DurableFiles.ts"
export { sha256Hex } from "./Sha256.ts"
export { type ActiveLink, FlipError, type SlotContents, SlotRecord } from "./SlotFiles.ts"
export { configControlDirectory, Slots } from "./Slots.ts"
export { makeStorageError, StorageError, storageStep } from "./StorageError.ts"
export { IdentityStore, type KnownIdentities } from "./IdentityStore.ts"
