"""Let notebooks 00 to 05 be opened on Colab and Binder: python docs/badges.py OWNER/REPO.

Prints a line of badges for each. With `--colab FOLDER`, copies of the notebooks whose first
cell installs the package from that repository go there: Colab has nothing of ours.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
LAST = "05"
# What Colab has of torch stays; the rest comes as pyproject.toml asks for it.
INSTALL = '%pip install -q "kandi_nb[notebook] @ git+https://github.com/{repository}"'
COLAB = "https://colab.research.google.com/github/{repository}/blob/main/{path}"
BINDER = "https://mybinder.org/v2/gh/{repository}/main?labpath={path}"
SHIELDS = {
    "Colab": "https://colab.research.google.com/assets/colab-badge.svg",
    "Binder": "https://mybinder.org/badge_logo.svg",
}


def notebooks() -> list[Path]:
    """Return the notebooks that have badges."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if path.name[:2] <= LAST]


def badges(repository: str, name: str, colab: str = "notebooks") -> str:
    """Return one notebook's badges, in Markdown; `colab` is the folder of its copies."""
    links = {
        "Colab": COLAB.format(repository=repository, path=f"{colab}/{name}"),
        "Binder": BINDER.format(repository=repository, path=f"notebooks/{name}"),
    }
    return " ".join(
        f"[![Open {name[:2]} in {place}]({SHIELDS[place]})]({link})"
        for place, link in links.items()
    )


def with_install(text: str, repository: str) -> str:
    """Return a notebook's JSON with a first cell that installs the package."""
    notebook = json.loads(text)
    cell = {"cell_type": "code", "execution_count": None, "id": "install", "metadata": {}}
    cell |= {"outputs": [], "source": [INSTALL.format(repository=repository)]}
    notebook["cells"].insert(0, cell)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main(words: list[str] | None = None) -> None:
    """Print the badges, and write the copies for Colab."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", metavar="OWNER/REPO", help="where the clone is on GitHub")
    parser.add_argument("--colab", metavar="FOLDER", help="write copies for Colab there")
    options = parser.parse_args(words)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.repository):
        parser.error(f"OWNER/REPO is such as ada/kandi_nb, not {options.repository!r}")
    for path in notebooks():
        if options.colab:
            target = Path(options.colab) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            text = with_install(path.read_text("utf-8"), options.repository)
            target.write_text(text, "utf-8")
        print(badges(options.repository, path.name, options.colab or "notebooks"))


if __name__ == "__main__":
    main()
