/** The daemon under a service manager: units, systemd, launchd, and what systemd is told. */
export {
  carriedEnvironment,
  checkDescription,
  describeService,
  homeOfUnit,
  type LeftOut,
  type ServiceDescription,
  serviceLabel,
  type ServiceScope,
  UnitRefused
} from "./Description.ts"
export { whyFleeting } from "./DurableProgram.ts"
export { launchdLabel, launchdPlist } from "./LaunchdPlist.ts"
export { ManagerFailed, NoServiceManager } from "./ManagerProgram.ts"
export { type Condition, conditionText, newsOf, tellSystemd } from "./Notifications.ts"
export { ServiceManager, type ServiceStep } from "./ServiceManager.ts"
export { systemdUnit } from "./SystemdUnit.ts"
