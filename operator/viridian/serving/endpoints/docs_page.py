"""The page at /docs: what can be asked, with an example to try. One file, nothing is loaded from anywhere."""

from __future__ import annotations

import json
from html import escape
from string import Template
from typing import Any, Final

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
textarea { width: 100%; height: 12rem; font: 14px/1.4 monospace }
pre { background: #f2f5f4; padding: .7rem; overflow: auto } td, th { text-align: left; padding: .1rem 1rem .1rem 0 }
button { background: #1f6f5f; color: #fff; border: 0; padding: .4rem 1rem; font-size: 1rem }
</style>
<h1>$title <small>$version</small></h1>
<p>The whole interface: <a href="openapi.json">openapi.json</a>.</p>
<h2>Inputs</h2><table><tr><th>column<th>type<th>may be null$inputs</table>
<h2>Try it</h2>
<p><code>POST /invocations</code></p>
<textarea id="body" spellcheck="false" aria-label="body of the request">$example</textarea>
<p><button id="send">Predict</button></p>
<pre id="answer" aria-live="polite"></pre>
<h2>Paths</h2><table>$paths</table>
<script>
document.getElementById("send").onclick = async () => {
  const answer = document.getElementById("answer");
  try {
    const response = await fetch("invocations", {
      method: "POST", headers: {"content-type": "application/json"}, body: document.getElementById("body").value});
    answer.textContent = response.status + " " + (response.headers.get("x-viridian-prediction-id") || "") + "\\n"
      + await response.text();
  } catch (error) { answer.textContent = String(error); }
};
</script>
""")


def render(document: dict[str, Any]) -> bytes:
    """The page for this OpenAPI document."""
    schemas = document["components"]["schemas"]
    row = schemas["Row"]
    inputs = [
        (name, value["type"] if isinstance(value["type"], str) else value["type"][0], name not in row["required"])
        for name, value in row.get("properties", {}).items()
    ] or [(f"{row.get('minItems', 'any number of')} numbers", "number", False)]
    paths = [
        (method.upper(), path, operation["summary"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return _PAGE.substitute(
        title=escape(document["info"]["title"]),
        version=escape(document["info"]["version"]),
        inputs="".join(
            f"<tr><td>{escape(name)}<td>{escape(kind)}<td>{'yes' if null else 'no'}" for name, kind, null in inputs
        ),
        example=escape(json.dumps(schemas["Invocation"]["examples"][0], indent=1, ensure_ascii=False)),
        paths="".join(
            f"<tr><td>{method}<td><code>{escape(path)}</code><td>{escape(summary)}" for method, path, summary in paths
        ),
    ).encode()
