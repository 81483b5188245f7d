"""The repository's address, as `_config.yml` gives it; the role {repo} links to its files."""

from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)


class Repository(NamedTuple):
    """Where the sources live.

    Attributes:
        url: Address of the repository, without a slash at its end.
        branch: The branch that links lead to.
    """

    url: str
    branch: str

    @classmethod
    def of(cls, config: Config) -> "Repository":
        """Read it from the book's configuration (``repository`` in ``_config.yml``)."""
        options = config.html_theme_options
        return cls(
            options.get("repository_url", "").rstrip("/"),
            options.get("repository_branch", "main"),
        )

    @property
    def slug(self) -> str:
        """Owner and name, such as ``owner/name``."""
        return "/".join(self.url.split("/")[-2:])

    def file(self, path: str) -> str:
        """Address of a file for reading."""
        return f"{self.url}/blob/{self.branch}/{path}"

    def colab(self, path: str) -> str:
        """Address that opens a notebook in Colab."""
        return f"https://colab.research.google.com/github/{self.slug}/blob/{self.branch}/{path}"

    def binder(self, path: str) -> str:
        """Address that opens a notebook on mybinder.org."""
        return f"https://mybinder.org/v2/gh/{self.slug}/{self.branch}?urlpath=lab/tree/{path}"


class RepoRole(SphinxRole):
    """A link to a file of the repository: ``{repo}`benchmarks/ioi.py```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Write the link; warn where there is no such file."""
        if not Path(self.env.srcdir, self.text).exists():
            message = "the repository has no file %s"
            logger.warning(message, self.text, location=self.get_location())
        name = nodes.literal(self.rawtext, self.text)
        address = Repository.of(self.config).file(self.text)
        return [nodes.reference(self.rawtext, "", name, refuri=address)], []


def setup(app: Sphinx) -> None:
    """Register the role."""
    app.add_role("repo", RepoRole())
