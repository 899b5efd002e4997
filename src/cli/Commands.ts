/** The commands by name, each loaded when it is wanted. */
const loaders = {
  up: () => import("./UpCommand.ts").then(({ upCommand }) => upCommand),
  join: () => import("./JoinCommand.ts").then(({ joinCommand }) => joinCommand),
  leave: () => import("./LeaveCommand.ts").then(({ leaveCommand }) => leaveCommand),
  daemon: () => import("./DaemonCommand.ts").then(({ daemonCommand }) => daemonCommand),
  status: () => import("./StatusCommand.ts").then(({ statusCommand }) => statusCommand),
  open: () => import("./OpenCommand.ts").then(({ openCommand }) => openCommand),
  login: () => import("./LoginCommand.ts").then(({ loginCommand }) => loginCommand),
  run: () => import("./RunCommand.ts").then(({ runCommand }) => runCommand),
  health: () => import("./HealthCommand.ts").then(({ healthCommand }) => healthCommand),
  doctor: () => import("./DoctorCommand.ts").then(({ doctorCommand }) => doctorCommand),
  config: () => import("./ConfigCommand.ts").then(({ configCommand }) => configCommand),
  agent: () => import("./AgentCommand.ts").then(({ agentCommand }) => agentCommand),
  chat: () => import("./ChatCommand.ts").then(({ chatCommand }) => chatCommand),
  plugin: () => import("./PluginCommand.ts").then(({ pluginCommand }) => pluginCommand),
  "core-lock": () => import("./CoreLockCommand.ts").then(({ coreLockCommand }) => coreLockCommand),
  machines: () => import("./MachinesCommand.ts").then(({ machinesCommand }) => machinesCommand),
  upgrade: () => import("./UpgradeCommand.ts").then(({ upgradeCommand }) => upgradeCommand),
  central: () => import("./CentralCommand.ts").then(({ centralCommand }) => centralCommand)
}

type Name = keyof typeof loaders

const isName = (text: string | undefined): text is Name => text !== undefined && Object.hasOwn(loaders, text)

/** The one command that `argv` names first; all of them when it names none, for help and for suggestions. */
export const loadCommands = (argv: ReadonlyArray<string>) => {
  const [first] = argv
  const names = isName(first) ? [first] : Object.keys(loaders).filter(isName)
  return Promise.all(names.map((name) => loaders[name]()))
}
