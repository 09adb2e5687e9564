"""What a serving process does while bins are due: one round after the other. Nothing else is in this process. Says in
the end how much memory it ever held, in megabytes.

python -m benchmarks.rounds FOLDER
"""

import sys
from pathlib import Path

from benchmarks.server import peak_mb
from repo_service.wiring import open_service


def main() -> None:
    service = open_service(Path(sys.argv[1]))
    while service.round() is not None:
        pass
    print(peak_mb())


if __name__ == "__main__":
    main()
