/** The core lock: what plugins and agents may not replace, in Python and in Node. */
export { coreLockLayer, coreLockLayerOf } from "./CoreLockLayer.ts"
export { type LockEnvironment, lockEnvironment } from "./LockEnvironment.ts"
export { CoreLockFailed, formatLock, protectionOf, readLock, writeLock } from "./LockFile.ts"
export { lockNode } from "./NodeLock.ts"
export { judgeNodeTree, type NodeVerdict } from "./NodeVerdicts.ts"
export { type MadeLock, lockPython } from "./PythonLock.ts"
export { installPlan, planInstall, recoverInstall } from "./PythonInstall.ts"
export { quarantineCopies, scanPythonTree } from "./PythonTree.ts"
