"""``{handouts}``: links to the printable assignment that `coursekit.handouts` puts on the site."""

from docutils import nodes
from sphinx.application import Sphinx

from coursekit.sphinx_ext.exercises import CourseDirective
from coursekit.withholding import SETTING, Withholding, today_utc

NAMES = {"questions": "the questions", "solutions": "questions and solutions"}
"""What the links to the PDFs say."""


class Handouts(CourseDirective):
    """``{handouts}``: a line with a link for each PDF that the site holds."""

    def run(self) -> list[nodes.Node]:
        """Write the line."""
        kinds = list(NAMES)
        try:
            if Withholding(self.config[SETTING], today_utc()).withheld:
                kinds.remove("solutions")
        except ValueError:
            pass  # reported when the settings are read
        up = "../" * self.env.docname.count("/")
        line = nodes.paragraph("", "To print, as PDF: ", classes=["handouts"])
        for i, kind in enumerate(kinds):
            line += nodes.Text(", " if i else "")
            line += nodes.reference("", NAMES[kind], refuri=f"{up}handouts/{kind}.pdf")
        line += nodes.Text(".")
        return self.marked(line)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("handouts", Handouts)
