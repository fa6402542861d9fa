"""Creates what is missing in a new course's folder, as the course's account and in the folder.

``new-course`` runs ``python -I -m services.formgrader_proxy.commands.new_course.skeleton``.
Standard input is ``{"course_id"}``; the output is the list of what was created, as JSON.
"""

import json
import os
import sys

CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = {course_id!r}
# Where students fetch and submit; the same as in the students' nbgrader_config.py:
# c.Exchange.root = "/srv/nbgrader/exchange"
"""


def create(course_id: str) -> list[str]:
    """Create the missing parts in the working directory; their names. Overwrites nothing."""
    created = []
    if not os.path.lexists("source"):
        os.mkdir("source", 0o750)
        created.append("source")
    try:
        with open("nbgrader_config.py", "x", encoding="utf-8") as file:
            file.write(CONFIG.format(course_id=course_id))
        created.append("nbgrader_config.py")
    except FileExistsError:
        pass
    return created


def main() -> None:
    """Read the course's id, create, and print."""
    print(json.dumps(create(json.load(sys.stdin)["course_id"])))


if __name__ == "__main__":
    main()
