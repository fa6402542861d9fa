"""Why a declared service could not work: its flags, files and packages, checked beforehand."""

from contextlib import chdir

from common.config.flags import split
from common.errors import unexpected
from common.logs import redact
from services.declare.options import Options, as_flags
from services.declare.service_types import ServiceType


def unusable(kind: ServiceType, options: Options) -> list[str]:
    """Everything that is wrong with a service's flags and with what they name.

    Relative paths are those of the service's working directory. Nothing is created or contacted.
    """
    line = split(as_flags(options), kind.app.options())
    app = kind.app()
    with chdir(str(options.get("cwd", "."))):
        try:
            app.configure(line.options)
            found = [*line.problems, *app.mistakes, *app.own_problems()]
            found += app.file_problems()
        except Exception as error:  # one service must not take the Hub down
            found = [*line.problems, *app.mistakes, unexpected(error)]
    return [redact(problem) for problem in dict.fromkeys(found)]
