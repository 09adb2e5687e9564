"""What a serving process does while bins are due: one round after the other. Nothing else is in this process.

python -m benchmarks.rounds FOLDER
"""

import sys
from pathlib import Path

from repo_service.wiring import open_service


def main() -> None:
    service = open_service(Path(sys.argv[1]))
    while service.round() is not None:
        pass


if __name__ == "__main__":
    main()
