/** The program that an interpreter runs to hold one agent file. */
import { PYTHON_SHIMS } from "./PythonShims.ts"

/**
 * Given on standard input, with a `HostSetup` as its argument; the lines of HostProtocol.ts come in on descriptor 3 and
 * go out on descriptor 4, so that whatever the agent prints is no part of them. Runs on Python 3.8 and newer.
 *
 * It reads on a thread of its own: when the daemon is gone the process ends, whatever the agent is doing.
 */
export const PYTHON_HOST = String.raw`
${PYTHON_SHIMS}

def host():
    import asyncio, hashlib, inspect, json, os, queue, signal, sys, threading, traceback, types

    # The daemon goes first where both want to run.
    os.nice(5)
    setup = json.loads(sys.argv[1])
    file, name = setup["file"], os.path.basename(setup["file"])
    sys.argv = [file]
    # The interpreter's own comes first, what was installed for the file last: neither it nor a file in the folder of agents
    # stands in for what is there without it.
    sys.path[:] = [entry for entry in sys.path if entry != ""] + [os.path.dirname(file)]
    if setup["packages"] is not None:
        sys.path.append(setup["packages"])
    vars(sys.modules["__main__"]).pop("__file__", None)
    for descriptor in (3, 4):
        os.set_inheritable(descriptor, False)
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (setup["memory"], setup["memory"]))
    except (ImportError, OSError, ValueError):
        pass # Where there is no such limit, the daemon's own look at the memory is the only one.

    jobs = queue.Queue()

    def die():
        os.killpg(0, signal.SIGKILL) if os.getpgrp() == os.getpid() else os.kill(os.getpid(), signal.SIGKILL)

    def listen():
        rest = b""
        while True:
            chunk = os.read(3, 65536)
            if not chunk:
                die()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                jobs.put(json.loads(line))

    def say(message):
        line = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        while line:
            line = line[os.write(4, line):]

    def words(error):
        what = "".join(traceback.format_exception_only(type(error), error)).strip()
        if isinstance(error, SystemExit):
            what = "it called sys.exit(%s)" % ("" if error.code is None else repr(error.code))
        if isinstance(error, MemoryError):
            what = "it ran out of memory: it has %d MiB" % (setup["memory"] >> 20)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        return what[:2000] + (" (%s, line %d)" % (name, lines[-1]) if lines else "")

    def failure_of(error):
        if isinstance(error, SystemExit):
            return "exited"
        return "memory" if isinstance(error, MemoryError) else "failed"

    def flush():
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                pass # The agent has closed or replaced it.

    def unfit(told):
        for part, value in told.items():
            try:
                json.dumps(value, allow_nan=False)
            except Exception as error:
                return "its %s cannot be told as JSON: %s" % (part, " ".join(words(error).split()))
        return None

    agents = {}

    def load():
        BasicAgent = install_shims(setup["data"], os.path.dirname(file))
        with open(file, "rb") as opened:
            source = opened.read()
        if hashlib.sha256(source).hexdigest() != setup["hash"]:
            return {"failed": "changed", "message": "the file has changed"}
        module = types.ModuleType("agents." + name[:-len(".py")])
        module.__file__ = file
        module.__package__ = "agents"
        sys.modules[module.__name__] = module
        exec(compile(source, file, "exec"), vars(module))
        described = []
        for found in list(vars(module).values()):
            is_own = inspect.isclass(found) and found.__module__ == module.__name__ and not inspect.isabstract(found)
            if not is_own or not callable(getattr(found, "perform", None)) or found.__name__ in agents:
                continue
            try:
                agent = agents[found.__name__] = found()
                metadata = agent.metadata
                speaks = getattr(type(agent), "system_context", None) not in (None, BasicAgent.system_context)
                told = {"name": agent.name, "description": metadata.get("description"),
                    "parameters": metadata.get("parameters", {"type": "object", "properties": {}})}
                broken = unfit(told)
                described.append({"class": found.__name__, **({"broken": broken} if broken else {**told, "context": speaks})})
            except BaseException as error:
                described.append({"class": found.__name__, "broken": "it cannot be made: " + words(error)})
        if not described:
            return {"failed": "failed", "message": "there is no class with a perform method in it"}
        return {"loaded": described}

    async def settled(awaitable):
        return await awaitable

    def perform(job):
        agent = agents[job["agent"]]
        result = agent.perform(**job["args"]) if job["do"] == "perform" else agent.system_context()
        return asyncio.run(settled(result)) if inspect.isawaitable(result) else result

    def text_of(result):
        if result is None:
            return ""
        if isinstance(result, (bytes, bytearray)):
            return result.decode("utf-8", "replace")
        return result if isinstance(result, str) else json.dumps(result, default=str, ensure_ascii=False)

    def answer(job):
        try:
            result = perform(job)
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                asked = "perform" if job["do"] == "perform" else "system_context"
                return {"failure": "failed", "message": asked + " gave a generator: return a text instead"}
            output = text_of(result)
            if len(output) > setup["output"]:
                return {"failure": "output", "message": "it answered more than %d characters" % setup["output"]}
            return {"output": output}
        except BaseException as error:
            return {"failure": failure_of(error), "message": words(error)}

    threading.Thread(target=listen, daemon=True).start()
    try:
        loaded = load()
    except BaseException as error:
        loaded = {"failed": failure_of(error), "message": words(error)}
        if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str) and error.name:
            loaded["missing"] = error.name.partition(".")[0]
    flush()
    say(loaded)
    while True:
        job = jobs.get()
        if job["do"] == "end":
            return
        answered = answer(job)
        flush()
        say({"call": job["call"], **answered})

host()
`
