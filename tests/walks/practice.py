"""A registry to practise on, for the installer's tutorial: ``make practice``. Its keys are thrown away when it ends.

It is the one of docs/CLIENT.md (tests/walks/client_doc.py): tallyflask in three versions, one of them yanked, and
colouring, which is in quarantine; signed, logged, and seen by three witnesses. ``yesterday.json`` is the timestamp of
the release before. Nothing changes but what you change in the folder of public files, as a mirror's owner could.
"""

import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.loopback import Quiet
from tests.walks.client_doc import publish, registry


def main() -> None:
    """Write the registry's files into a new folder and serve them until Ctrl-C."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir()
    now = datetime.now(UTC).replace(microsecond=0)
    made, log = registry(now - timedelta(days=1))
    made.write(folder / "public")
    timestamp = folder / "public" / "metadata" / "timestamp.json"
    (folder / "yesterday.json").write_bytes(timestamp.read_bytes())
    publish(made, log, now)
    made.write(folder / "public")
    (folder / "root.json").write_bytes(made.root)
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder / "public"))) as server:
        print(f"Its root is {folder}/root.json, what everybody may read is in {folder}/public.")
        print(f"Serving it on http://127.0.0.1:{port} (Ctrl-C stops)", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print()
    except OSError as error:
        raise SystemExit(f"practice: {error}. Is another one running, or a service on this port?") from None
