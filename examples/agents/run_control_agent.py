"""Looks after the runs of this machine: lists them, shows their output, starts and ends them."""
import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from agents.basic_agent import BasicAgent

LISTED = 20
OUTPUT_BYTES = 8192
TIMEOUT_SECONDS = 20
# The daemon is on loopback, whatever proxies the machine has.
OPENER = build_opener(ProxyHandler({}))


class RunControlAgent(BasicAgent):
    def __init__(self):
        self.name = "RunControl"
        self.metadata = {
            "name": self.name,
            "description": "Runs are agent jobs of this machine. List them, show one, read the end of its output, start one "
            "with a prompt, or cancel one. Cancel and start only when the user asks for it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "action": {"type": "string", "enum": ["list", "show", "output", "start", "cancel"]},
                    "id": {"type": "string", "description": "Which run; not needed to list and to start."},
                    "prompt": {"type": "string", "minLength": 1, "description": "What the new run is to do."},
                },
                "required": ["action"],
                "additionalProperties": False,
            },
        }
        super().__init__(self.name, self.metadata)

    def perform(self, action, id=None, prompt=None):
        if action == "list":
            runs = json.loads(self._ask("GET", "/runs"))["runs"]
            return json.dumps([brief(run) for run in runs[:LISTED]]) if runs else "There are no runs."
        if action == "start":
            if prompt is None:
                return "Nothing was started: say in `prompt` what the run is to do."
            asked = {"companyId": "local", "agentId": "chat", "prompt": prompt, "command": {"kind": "opencode"}}
            return json.dumps(brief(json.loads(self._ask("POST", "/runs", asked))))
        if id is None:
            return "Say in `id` which run is meant; `list` shows them."
        run = "/runs/" + quote(id, safe="")
        if action == "show":
            return self._ask("GET", run)
        if action == "cancel":
            return json.dumps(brief(json.loads(self._ask("POST", run + "/cancel", {}))))
        size = json.loads(self._ask("GET", run))["output"]["bytes"]
        return self._ask("GET", f"{run}/log?from={max(0, size - OUTPUT_BYTES)}") or "It has said nothing yet."

    def _ask(self, method, path, body=None):
        # An agent runs in `state/agent-data`; beside it is what the command line uses.
        token = Path("../api-token").read_text().strip()
        url = json.loads(Path("../run/status.json").read_text())["daemon"]["api_url"]
        headers = {"authorization": "Bearer " + token, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with OPENER.open(Request(url + path, data, headers, method=method), timeout=TIMEOUT_SECONDS) as answer:
                return answer.read().decode("utf-8", "replace")
        except HTTPError as refused:
            raise RuntimeError(json.loads(refused.read())["detail"]) from None


def brief(run):
    return {key: run[key] for key in ("run_id", "agent_id", "state", "verdict", "message", "created_at")}
