"""What really happened in a history, whether or not anyone looked."""

from collections import defaultdict

from tests.stats.reference.history import History
from tests.stats.reference.seen import ACCURACY, GAP


class Truth:
    """The reports of all servers, by the account they belong to, whatever its name was."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.reports: dict[int, list[int]] = defaultdict(list)
        """Minutes in which a server of the account started or reported activity."""
        self.names: dict[str, set[int]] = defaultdict(set)
        """By name, the accounts that have ever had it."""
        self._play()

    def _play(self) -> None:
        here: dict[str, int] = {}
        running: set[tuple[int, str]] = set()
        number = 0
        for step in self.history.in_order():
            account = here.get(step.user, 0)
            if (step.do == "recreate" and account) or (step.do == "create" and not account):
                number += 1
                here[step.user] = number
                self.names[step.user].add(number)
            elif step.do == "delete":
                here.pop(step.user, None)
            elif step.do == "rename" and account and step.detail not in here:
                here[step.detail] = here.pop(step.user)
                self.names[step.detail].add(account)
            elif step.do == "start" and account:
                if (account, step.detail) not in running:
                    self.reports[account].append(step.minute)
                running.add((account, step.detail))
            elif step.do == "report" and (account, step.detail) in running:
                self.reports[account].append(step.minute)
            elif step.do == "stop":
                running.discard((account, step.detail))

    def possible_work(self, name: str) -> set[int]:
        """The minutes in which users of that name may have worked.

        A report stands for the five minutes before it, and reports that are two polls apart, or
        three if one was missed, for the time between them.
        """
        step = max(self.history.interval, ACCURACY)
        longest = int(step + GAP * step)
        minutes: set[int] = set()
        for account in self.related(name):
            times = sorted(self.reports[account])
            for before, after in zip([-ACCURACY, *times], times, strict=False):
                begin = before if after - before <= longest else after - ACCURACY
                minutes |= set(range(begin, after))
        return minutes

    def related(self, name: str) -> set[int]:
        """The accounts of the name, and of all names that they have had: they are one user."""
        accounts: set[int] = set()
        names = {name}
        while True:
            found = {account for one in names for account in self.names[one]}
            if found == accounts:
                return accounts
            accounts = found
            names = {one for one, them in self.names.items() if them & accounts}
