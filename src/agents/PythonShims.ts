/** What Python agents of the Brainstem family import, on top of this machine's own files: part of the host's program. */

/**
 * Defines `install_shims(data, folder)`: puts `agents`, `basic_agent` and `utils` with their parts among the loaded modules.
 * What agents keep lies below `data`; other files of the agents' folder can be imported as `agents.NAME`.
 *
 * @ref LLP 0024#storage [implements]: one component per user, links contained, whole files, corrupt ones told
 */
export const PYTHON_SHIMS = String.raw`
def make_basic_agent():
    class BasicAgent:
        """What agents derive from; every one of its members may be replaced."""

        def __init__(self, name=None, metadata=None):
            if name is not None:
                self.name = name
            elif not hasattr(self, "name"):
                self.name = type(self).__name__
            if metadata is not None:
                self.metadata = metadata
            elif not hasattr(self, "metadata"):
                self.metadata = {"name": self.name, "description": "", "parameters": {"type": "object", "properties": {}}}

        def perform(self, **kwargs):
            return "Not implemented."

        def system_context(self):
            return None

        def to_tool(self):
            keys = {"description": "", "parameters": {"type": "object", "properties": {}}}
            described = {key: self.metadata.get(key, default) for key, default in keys.items()}
            return {"type": "function", "function": {"name": self.name, **described}}

    return BasicAgent


def make_storage(data):
    import hashlib, itertools, json, os
    from urllib.parse import quote

    numbers = itertools.count()

    def component(text):
        """One name of a path for any text, a different one for each."""
        safe = quote(text, safe="").replace(".", "%2E").replace("~", "%7E")
        return safe if len(safe) <= 200 else "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    class AzureFileStorageManager:
        """Files of this machine in place of a share: what is written is whole, and readable by nobody else."""

        DEFAULT_MARKER_GUID = "c0p110t0-aaaa-bbbb-cccc-123456789abc"

        def __init__(self, share_name=None, **_options):
            share = str(share_name or "").strip()
            self._root = os.path.join(data, "shares", component(share)) if share else os.path.join(data, "files")
            self.shared_memory_path = "shared_memories"
            self.default_file_name = "memory.json"
            self.set_memory_context(None)

        def set_memory_context(self, user_guid=None):
            user = str(user_guid).strip() if user_guid is not None else ""
            is_shared = user.lower() in ("", "none", "null", self.DEFAULT_MARKER_GUID)
            self.current_guid = None if is_shared else user
            self.current_memory_path = self.shared_memory_path if is_shared else "memory/" + component(user)
            return True

        def _memory(self):
            name = self.default_file_name if self.current_guid is None else "user_memory.json"
            return self.current_memory_path + "/" + name

        def _path(self, *parts):
            names = [name for part in parts for name in str(part).replace("\\", "/").split("/") if name not in ("", ".")]
            if any(name == ".." or "\0" in name for name in names):
                raise PermissionError("a path must stay below the storage: " + "/".join(map(str, parts)))
            root = os.path.realpath(self._root)
            path = os.path.realpath(os.path.join(root, *names))
            if path != root and not path.startswith(root + os.sep):
                raise PermissionError("a link leads out of the storage: " + "/".join(names))
            return path

        def _read(self, path):
            try:
                with open(path, "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None

        def _write(self, path, content):
            folder, name = os.path.split(path)
            os.makedirs(folder, mode=0o700, exist_ok=True)
            temporary = os.path.join(folder, ".%s.%d.%d.tmp" % (name[:100], os.getpid(), next(numbers)))
            try:
                descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with open(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(temporary, path)
            except BaseException:
                if os.path.exists(temporary):
                    os.remove(temporary)
                raise
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return True

        def read_json(self, file_path=None):
            name = file_path or self._memory()
            content = self._read(self._path(name))
            if content is None:
                return {}
            try:
                return json.loads(content)
            except ValueError as error:
                raise ValueError("%s is not JSON (%s): mend it or remove it" % (self._path(name), error)) from None

        def write_json(self, data, file_path=None):
            content = json.dumps(data, indent=2, default=str, ensure_ascii=False)
            return self._write(self._path(file_path or self._memory()), content.encode("utf-8", "surrogatepass"))

        def ensure_directory_exists(self, directory_name):
            os.makedirs(self._path(directory_name), mode=0o700, exist_ok=True)
            return True

        def read_file(self, *path):
            content = self._read(self._path(*path))
            if content is None:
                return None
            try:
                return content.decode("utf-8")
            except UnicodeDecodeError:
                return content

        def write_file(self, *path_and_content):
            *path, content = path_and_content
            return self._write(self._path(*path), content if isinstance(content, bytes) else str(content).encode("utf-8"))

        def list_files(self, directory_name=""):
            path = self._path(directory_name)
            names = os.listdir(path) if os.path.isdir(path) else []
            return sorted(name for name in names if not (name.startswith(".") and name.endswith(".tmp")))

        def delete_file(self, *path):
            found = self._path(*path)
            if not os.path.isfile(found):
                return False
            os.remove(found)
            return True

        def file_exists(self, *path):
            return os.path.exists(self._path(*path))

    return AzureFileStorageManager


def safe_json_loads(text):
    """As agents know it: for text of others, never for what the storage holds."""
    import json
    if not text:
        return {}
    if isinstance(text, (dict, list)):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return {"error": "Invalid JSON: %s" % (text,)}


def install_shims(data, folder):
    import sys, types

    def module(name, path=None, **members):
        made = types.ModuleType(name)
        made.__dict__.update(members)
        if path is not None:
            made.__path__ = path
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, made)
        sys.modules[name] = made

    BasicAgent = make_basic_agent()
    Storage = make_storage(data)
    module("agents", path=[folder])
    module("agents.basic_agent", BasicAgent=BasicAgent)
    module("basic_agent", BasicAgent=BasicAgent)
    module("utils", path=[])
    module("utils.azure_file_storage", AzureFileStorageManager=Storage, safe_json_loads=safe_json_loads)
    module("utils.dynamics_storage", DynamicsStorageManager=Storage)
    module("utils.storage_factory", get_storage_manager=lambda *_arguments, **_options: Storage())
    return BasicAgent
`
