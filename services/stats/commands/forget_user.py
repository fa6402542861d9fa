"""``forget-user``: erase a person's data."""

from services.stats.pseudonyms import Pseudonyms
from services.stats.store.daily.forget import forget
from services.stats.store.store import Store


async def forget_user(store: Store, name: str, pseudonyms: Pseudonyms | None) -> tuple[bool, str]:
    """Erase all data of the people of this name; whether there was any, and what to print.

    The service may keep running. The totals of groups and of the hub are reduced accordingly.
    """
    number = await forget(store, pseudonyms.name(name) if pseudonyms else name)
    if not number:
        return False, f"No data about {name}.\n"
    return True, (
        f"All data about {name} has been erased. As long as the account exists at the Hub, new"
        " activity is recorded, as that of a new user.\n"
    )
